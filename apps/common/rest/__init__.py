"""Code that all API endpoints share: problems, parsers, permissions, paging, OpenAPI document."""
