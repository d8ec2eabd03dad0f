"""Cursor pages: ``next``, ``previous`` and ``results``, and never a COUNT."""

from typing import Any
from uuid import UUID

from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

from apps.common.problems import invalid


class NewestFirst(CursorPagination):
    """Pages over UUIDv7 ids, newest first. The id is unique, so a page boundary never repeats."""

    ordering = "-id"
    page_size = 50
    max_page_size = 200
    page_size_query_param = "page_size"

    def decode_cursor(self, request: Request) -> Any:
        """Read the cursor; a tampered one is the caller's error, not ours.

        Raises:
            Problem: 400 at ``?cursor``.
        """
        try:
            cursor = super().decode_cursor(request)
            if cursor is not None and cursor.position is not None:
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
        if not given.isdecimal() or not 1 <= int(given) <= self.max_page_size:
            detail = f"Expected a number from 1 to {self.max_page_size}."
            raise invalid("?page_size", "out_of_range", detail)
        return int(given)
