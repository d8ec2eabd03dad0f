"""A rate limit, the state of a caller under it, and the response headers that report it."""

from dataclasses import dataclass
from typing import Any, Protocol, cast

from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.rest.problems import Problem


class Rate(Protocol):
    """A number of calls in a window of seconds."""

    @property
    def calls(self) -> int:
        """The maximum number of calls in one window."""

    @property
    def seconds(self) -> int:
        """The length of a window in seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RateState:
    """The state of a caller in the current window.

    Attributes:
        policy: The name of the limit.
        calls: The maximum number of calls in the window.
        seconds: The length of the window in seconds.
        remaining: How many calls are left.
        reset: Seconds until the window ends, at least 1.
    """

    policy: str
    calls: int
    seconds: int
    remaining: int
    reset: int

    def headers(self) -> dict[str, str]:
        """Return the headers of draft-ietf-httpapi-ratelimit-headers."""
        return {
            "RateLimit-Policy": f'"{self.policy}";q={self.calls};w={self.seconds}',
            "RateLimit": f'"{self.policy}";r={self.remaining};t={self.reset}',
        }

    def refusal(self, detail: str) -> Problem:
        """Return a 429 problem with ``Retry-After`` in seconds."""
        headers = {"Retry-After": str(self.reset), **self.headers()}
        return Problem(429, detail, headers=headers)


class RateLimitHeaders:
    """Mixin for views: add the rate limit headers to every response, including errors.

    Subclasses call ``self.limited(state)`` with each state; the one with the fewest remaining calls
    is shown.
    """

    rate_state: RateState | None = None

    def limited(self, state: RateState) -> None:
        """Record the state of a limit that counted this call."""
        if self.rate_state is None or state.remaining < self.rate_state.remaining:
            self.rate_state = state

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        """Add the headers to the response, unless a refusal has already set them."""
        parent = cast("Any", super())
        final: Response = parent.finalize_response(request, response, *args, **kwargs)
        if "RateLimit" not in final:
            for name, value in self.limit_headers().items():
                final[name] = value
        return final

    def limit_headers(self) -> dict[str, str]:
        """Return the rate limit headers; empty if no limit counted this call."""
        return {} if self.rate_state is None else self.rate_state.headers()
