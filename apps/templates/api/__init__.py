"""The HTTP interface of templates."""
