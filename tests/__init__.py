"""unit: one module; integration: real sockets and files; acceptance: the service as it is started."""
