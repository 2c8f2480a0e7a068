"""Carries the steps of a case out against a receiver."""
