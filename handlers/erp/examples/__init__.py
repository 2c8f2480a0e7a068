"""Destinations to start from: copy one, put it beside the settings file, change what your ERP does otherwise."""
