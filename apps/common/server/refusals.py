"""Requests that the server layer refuses are answered by the application, as all others are."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from apps.common.rest.problems import Problem, problem_response

# In the environ of a request that is refused: the problem to answer with.
REFUSAL = "notifications.refusal"


class RefusalMiddleware:
    """Answers what was refused before the application was called.

    Inside of the middlewares that every answer passes: a refusal has a correlation id, the headers
    of security and a line in the log like any other.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request, or the refusal of it."""
        refusal: Problem | None = request.META.get(REFUSAL)
        if refusal is None:
            return self.get_response(request)
        response = problem_response(
            request, refusal.status_code, str(refusal.detail), code=refusal.problem_code
        )
        for name, value in refusal.headers.items():
            response[name] = value
        return response
