"""Process a request into a stored row: validation, idempotency and the insert."""
