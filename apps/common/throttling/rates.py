"""A limit, where a caller stands in it, and how the answer says so."""

from dataclasses import dataclass
from typing import Any, Protocol, cast

from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.rest.problems import Problem


class Rate(Protocol):
    """So many calls in so many seconds."""

    @property
    def calls(self) -> int:
        """How many calls fit into one window."""

    @property
    def seconds(self) -> int:
        """The length of a window."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RateState:
    """Where a caller stands in the present window.

    Attributes:
        policy: The name of the limit.
        calls: How many the window allows.
        seconds: How long the window is.
        remaining: How many are left.
        reset: Seconds until the window ends, at least 1.
    """

    policy: str
    calls: int
    seconds: int
    remaining: int
    reset: int

    def headers(self) -> dict[str, str]:
        """Return the fields of draft-ietf-httpapi-ratelimit-headers."""
        return {
            "RateLimit-Policy": f'"{self.policy}";q={self.calls};w={self.seconds}',
            "RateLimit": f'"{self.policy}";r={self.remaining};t={self.reset}',
        }

    def refusal(self, detail: str) -> Problem:
        """Make the 429 that says when to come back (``Retry-After`` in seconds)."""
        headers = {"Retry-After": str(self.reset), **self.headers()}
        return Problem(429, detail, headers=headers)


class RateLimitHeaders:
    """Mixin for views: whatever the answer is, it carries the limit that was counted.

    Subclasses call ``self.limited(state)`` with each state; the one nearest its end is shown.
    """

    rate_state: RateState | None = None

    def limited(self, state: RateState) -> None:
        """Remember a limit that this call was counted against."""
        if self.rate_state is None or state.remaining < self.rate_state.remaining:
            self.rate_state = state

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        """Put the headers on the answer, except where a refusal brought its own."""
        parent = cast("Any", super())
        final: Response = parent.finalize_response(request, response, *args, **kwargs)
        if "RateLimit" not in final:
            for name, value in self.limit_headers().items():
                final[name] = value
        return final

    def limit_headers(self) -> dict[str, str]:
        """Return the headers that say where the caller stands; none where nothing was counted."""
        return {} if self.rate_state is None else self.rate_state.headers()
