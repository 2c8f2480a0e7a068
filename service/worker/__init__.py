"""The worker: takes accepted events into the mirror and to their destinations, in order for each order."""
