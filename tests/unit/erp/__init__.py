"""Destinations: the parts that need no server."""
