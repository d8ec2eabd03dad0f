"""Values in Redis that all processes share."""
