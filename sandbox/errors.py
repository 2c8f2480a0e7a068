"""What a user of the sandbox did wrong, or what his machine refuses: one line on the terminal, no stack trace."""

from __future__ import annotations


class SandboxError(Exception):
    """The message says what happened, where, and what to do."""
