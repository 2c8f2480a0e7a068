"""What the operator sees on the terminal."""
