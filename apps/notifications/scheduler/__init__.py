"""The scheduler: the sweep that wakes due notifications, and the jobs that run beside it."""
