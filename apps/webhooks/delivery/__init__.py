"""Deliver what is due: claim, call, record."""
