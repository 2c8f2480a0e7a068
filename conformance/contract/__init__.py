"""A second reading of the contract: schemas, sample bodies, JSON and tXML writers."""
