"""Cursor pagination: ``next``, ``previous`` and ``results``, without a COUNT query."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.conf import settings
from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.ids import time_of
from apps.common.keyset import ROWS_SEARCHED
from apps.common.rest.problems import invalid

PAGE_SIZE_MAX_DIGITS = 9
EXAMPLE_LINK = "https://notifications.example.com/api/v1/notifications/?cursor=cD0wMTk4ZjBjMw"


class NewestFirst(CursorPagination):
    """Pages ordered by UUIDv7 id, newest first. Ids are unique, so pages do not overlap."""

    ordering = "-id"
    # What an id is; anything else in a cursor is not ours.
    id_type: Callable[[str], object] = UUID
    page_size = 50
    max_page_size = 200
    page_size_query_param = "page_size"

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        """Read a page. Its links lead to ``PUBLIC_URL``, because a proxy may have ended TLS."""
        page: Any = super().paginate_queryset(queryset, request, view)
        self.base_url = f"{settings.PUBLIC_URL}{request.get_full_path()}"
        return page

    def decode_cursor(self, request: Request) -> Any:
        """Read the cursor. A modified cursor is an error of the caller, not of the server.

        Raises:
            Problem: 400 at ``?cursor``.
        """
        try:
            cursor = super().decode_cursor(request)
            # Each of our cursors has an id, except the reverse cursor from the end of the list.
            if cursor is not None and not (cursor.position is None and cursor.reverse):
                self.id_type(str(cursor.position))
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

    def get_paginated_response(self, data: Any) -> Response:
        """Return a page."""
        return Response(self.document(data))

    def document(self, data: Any) -> dict[str, Any]:
        """Return the members of a page."""
        return {
            "next": self.get_next_link(),
            "previous": self.get_previous_link(),
            "results": data,
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """Describe the parameters, with the limits of ``page_size``."""
        described: list[dict[str, Any]] = super().get_schema_operation_parameters(view)
        limits = {"minimum": 1, "maximum": self.max_page_size, "default": self.page_size}
        for parameter in described:
            if parameter["name"] == self.page_size_query_param:
                parameter["schema"] |= limits
        return described

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


class NewestNumbersFirst(NewestFirst):
    """Pages of a table whose ids are numbers."""

    id_type = int


class BoundedNewestFirst(NewestFirst):
    """Pages of a filtered list that search a limited number of rows.

    Without a limit, a filter that few rows match reads the whole table. The view's ``indexed`` has
    the rows that are read by an index; None if the list itself is one.
    """

    rows_searched = ROWS_SEARCHED
    boundary: UUID | None = None

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        """Read a page. The search ends at ``boundary``, if there is one."""
        indexed = getattr(view, "indexed", None)
        if indexed is not None:
            cursor = self.decode_cursor(request)
            backwards = cursor is not None and cursor.reverse
            position = cursor.position if cursor is not None else None
            self.boundary = self._boundary(indexed, position, backwards=backwards)
            if self.boundary is not None:
                limit = "pk__lte" if backwards else "pk__gte"
                queryset = queryset.filter(**{limit: self.boundary})
        return super().paginate_queryset(queryset, request, view)

    def get_next_link(self) -> str | None:
        """Return the link to the next page, which goes on after the rows that were searched."""
        link: str | None = super().get_next_link()
        return link or self._link_from_boundary(reverse=False)

    def get_previous_link(self) -> str | None:
        """Return the link to the previous page, like the next one."""
        link: str | None = super().get_previous_link()
        return link or self._link_from_boundary(reverse=True)

    def document(self, data: Any) -> dict[str, Any]:
        """Add how far the page has searched, if it is not complete because of that."""
        ended_early = self.boundary is not None and not (
            self.has_previous if self._is_reverse else self.has_next
        )
        found = super().document(data)
        if ended_early and self.boundary is not None:
            found["searched_to"] = time_of(self.boundary)
        return found

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe a page."""
        described = super().get_paginated_response_schema(schema)
        described["properties"]["searched_to"] = {
            "type": "string",
            "format": "date-time",
            "example": "2026-11-28T09:41:07.312000Z",
            "description": "How far back this page has searched, if it could not be filled.",
        }
        return described

    @property
    def _is_reverse(self) -> bool:
        return self.cursor is not None and self.cursor.reverse

    def _boundary(self, indexed: Any, position: Any, *, backwards: bool) -> UUID | None:
        """Return the last id of the rows to search; None if there are fewer."""
        if position is not None:
            indexed = indexed.filter(**{"pk__gt" if backwards else "pk__lt": position})
        ids = indexed.order_by("pk" if backwards else "-pk").values_list("pk", flat=True)
        last: UUID | None = ids[self.rows_searched - 1 : self.rows_searched].first()
        return last

    def _link_from_boundary(self, *, reverse: bool) -> str | None:
        if self.boundary is None or reverse is not self._is_reverse:
            return None
        position: Any = str(self.boundary)
        cursor = Cursor(offset=0, reverse=reverse, position=position)
        link: str = self.encode_cursor(cursor)
        return link
