"""Judges any receiver of Tradecloud's webhooks: black box, by HTTP alone, against the contract in `specs/`."""
