"""Destinations against real servers and real folders."""
