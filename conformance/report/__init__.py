"""Reports: one NDJSON stream is the master, everything else is rendered from it."""
