"""A day of business on one machine: the sandbox, the service under its own commands, and an ERP that fails."""
