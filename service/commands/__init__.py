"""The commands of `webhooks`, one module per topic; `service.cli` puts them together."""
