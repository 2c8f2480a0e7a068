"""The wire: bytes out, bytes in, nothing helpful in between."""
