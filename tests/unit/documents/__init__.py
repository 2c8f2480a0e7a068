"""Documents: what needs no network."""
