"""The loop that wakes what is due, and the jobs beside it."""
