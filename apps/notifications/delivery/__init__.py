"""From a waking message to a recorded outcome: claim, judge, compose, send, record."""
