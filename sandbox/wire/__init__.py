"""Events as bytes: JSON and tXML."""
