"""The HTTP interface of accounts."""
