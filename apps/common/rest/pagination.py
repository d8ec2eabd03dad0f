"""Cursor pagination: ``next``, ``previous`` and ``results``, without a COUNT query."""

from typing import Any
from uuid import UUID

from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

from apps.common.rest.problems import invalid

PAGE_SIZE_MAX_DIGITS = 9
EXAMPLE_LINK = "https://notifications.example.com/api/v1/notifications/?cursor=cD0wMTk4ZjBjMw"


class NewestFirst(CursorPagination):
    """Pages ordered by UUIDv7 id, newest first. Ids are unique, so pages do not overlap."""

    ordering = "-id"
    page_size = 50
    max_page_size = 200
    page_size_query_param = "page_size"

    def decode_cursor(self, request: Request) -> Any:
        """Read the cursor. A modified cursor is an error of the caller, not of the server.

        Raises:
            Problem: 400 at ``?cursor``.
        """
        try:
            cursor = super().decode_cursor(request)
            # Each of our cursors has an id, except the reverse cursor from the end of the list.
            if cursor is not None and not (cursor.position is None and cursor.reverse):
                UUID(str(cursor.position))
        except (NotFound, ValueError):
            raise invalid("?cursor", "invalid_cursor", "This cursor is not one of ours.") from None
        return cursor

    def get_page_size(self, request: Request) -> int:
        """Read ``page_size``.

        Raises:
            Problem: 400 when it is not a number from 1 to 200.
        """
        given = request.query_params.get(self.page_size_query_param or "")
        if given is None:
            return self.page_size
        # Python refuses to parse numbers with thousands of digits, so check the length first.
        short = given.isascii() and given.isdecimal() and len(given) <= PAGE_SIZE_MAX_DIGITS
        if not short or not 1 <= int(given) <= self.max_page_size:
            detail = f"Expected a number from 1 to {self.max_page_size}."
            raise invalid("?page_size", "out_of_range", detail)
        return int(given)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe a page in OpenAPI 3.1, where the type of a nullable link includes null."""
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {
                "next": {**link, "example": EXAMPLE_LINK},
                "previous": {**link, "example": None},
                "results": schema,
            },
        }
