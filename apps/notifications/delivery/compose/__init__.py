"""Compose a channel's messages from a notification, a contact and rendered content."""
