"""Processing and authentication of Tradecloud's webhooks, by hand."""
