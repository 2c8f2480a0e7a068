"""A reference receiver with one switchable fault per start; the suite is proven against it."""
