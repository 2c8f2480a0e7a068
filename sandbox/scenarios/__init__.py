"""What is sent and how: YAML files that a user copies and changes."""
