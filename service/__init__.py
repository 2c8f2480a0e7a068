"""The machine around the handlers: server, reception, inbox, command line."""
