"""Dead letters: the records of permanent failures, and their replays."""
