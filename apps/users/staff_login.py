"""The login page of staff, limited like every other login."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from apps.common.problems import Problem
from apps.common.throttling import count_call
from apps.users.addresses import address_key

View = Callable[..., HttpResponse]


def limited(login: View) -> View:
    """Count each try by its address and by the account that it names; refuse with a 429 page."""

    @wraps(login)
    def counted(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "POST":
            try:
                count_call(request, group="login")
                account = address_key(request.POST.get("username", ""))
                count_call(request, group="login", account=account)
            except Problem as problem:
                return HttpResponse(
                    str(problem.detail),
                    status=problem.status_code,
                    content_type="text/plain; charset=utf-8",
                    headers=problem.headers,
                )
        return login(request, *args, **kwargs)

    return require_http_methods(["GET", "HEAD", "POST"])(counted)
