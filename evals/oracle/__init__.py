"""Judges one change by other means than the advisor: its own harness, in its own process."""
