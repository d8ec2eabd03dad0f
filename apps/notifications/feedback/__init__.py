"""Feedback after sending: receipts of providers, and unsubscriptions of users."""
