"""Batches: what was asked for together, how far it is, its errors, and how to hold it."""
