"""Each channel composes one medium's message from a notification, a contact and a content."""
