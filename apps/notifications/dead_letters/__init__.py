"""What failed for good: the record of it, and its replays."""
