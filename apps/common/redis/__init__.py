"""Values that all processes share in Redis."""
