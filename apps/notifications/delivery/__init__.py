"""From a broker message to a recorded outcome: claim, decide, compose, send, record."""
