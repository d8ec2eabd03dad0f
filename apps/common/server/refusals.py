"""Requests that the server layer refuses still get their response from the application."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from apps.common.rest.problems import Problem, response_to

# The environ key of a refused request; its value is the problem to return.
REFUSAL = "notifications.refusal"


class RefusalMiddleware:
    """Respond to requests that the server layer refused before it called the application.

    It runs inside the general middleware, so that a refusal has a correlation id, security headers
    and a log line like any other response.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Return the refusal if there is one, else process the request."""
        refusal: Problem | None = request.META.get(REFUSAL)
        if refusal is None:
            return self.get_response(request)
        return response_to(request, refusal)
