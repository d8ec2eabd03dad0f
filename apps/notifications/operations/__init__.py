"""Operation of the installation: heartbeats, system checks and staff roles."""
