"""Webhooks: who is told what happens, whether they take it, and what to do if they do not."""
