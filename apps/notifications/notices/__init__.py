"""Tell operators once when something goes wrong, and once when it is over."""
