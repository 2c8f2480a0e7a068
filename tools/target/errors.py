"""What can go wrong with a target."""


class TargetError(Exception):
    """It cannot be done; the text is one line for whoever gave the command."""
