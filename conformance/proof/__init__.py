"""Shows that the suite can fail: a suite that nobody has seen red proves nothing."""
