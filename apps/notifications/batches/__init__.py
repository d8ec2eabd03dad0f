"""Batches of notifications, created in the background in slices that survive a process kill."""
