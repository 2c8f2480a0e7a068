"""The named cases, one module for an area."""
