"""Where an event is safe: on disk before the sender gets its answer."""
