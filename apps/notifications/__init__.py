"""The pipeline from an accepted request to the provider's reply."""
