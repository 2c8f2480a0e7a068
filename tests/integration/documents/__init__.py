"""Documents over real HTTP, into real files."""
