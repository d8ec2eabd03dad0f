"""Counts of what was accepted, attempted and ended, by minute, hour and day."""
