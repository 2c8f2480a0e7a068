"""A stand-in for Tradecloud, honest to the documented behaviour; knows a receiver by the contract alone."""
