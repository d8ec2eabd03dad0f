"""What every endpoint of the API shares: problems, parsers, permissions, paging, the document."""
