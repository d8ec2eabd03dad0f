"""Who brings a message to its recipient: one file a provider, each a stranger to the others."""
