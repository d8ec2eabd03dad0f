"""The HTTP API of templates."""
