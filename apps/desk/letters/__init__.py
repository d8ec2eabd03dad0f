"""Dead letters: what failed for good, what to do with it, and replays of many."""
