"""From a request to a stored row: validation, idempotency, and the insert."""
