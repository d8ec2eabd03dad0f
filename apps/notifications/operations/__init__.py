"""What tells operators how the installation does: heartbeats, checks, roles, time limits."""
