"""Content negotiation: JSON without further checks for programs, any format for browsers."""

from collections.abc import Iterable
from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

ANYTHING = frozenset({"", "*/*", "application/json"})


class ContentNegotiation(DefaultContentNegotiation):
    """Skip the negotiation if the caller accepts any type or only JSON, as programs do."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the renderer and the media type of the response."""
        accepts = request.META.get("HTTP_ACCEPT", "")
        first: Any = next(iter(renderers))
        plain = first.media_type == "application/json" and not request.META.get("QUERY_STRING")
        if plain and format_suffix is None and accepts in ANYTHING:
            return first, first.media_type
        chosen: tuple[BaseRenderer, str] = super().select_renderer(
            request, renderers, format_suffix
        )
        return chosen


class DownloadNegotiation(DefaultContentNegotiation):
    """For a view that streams files: its ``format`` parameter names the format of the file.

    The framework would look for a renderer of this name. Problems are JSON.
    """

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the first renderer, whatever the caller accepts."""
        first: Any = next(iter(renderers))
        return first, first.media_type
