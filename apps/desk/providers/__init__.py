"""Providers: their breakers and limits, their latest replies, and how to hold them by hand."""
