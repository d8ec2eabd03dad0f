"""The login page of staff, with the same rate limit as other logins."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from apps.common.rest.problems import Problem, response_to
from apps.users import known_browsers, login_limits
from apps.users.addresses import address_key
from apps.users.staff import second_factor

View = Callable[..., HttpResponse]
REDIRECT = 302


def limited(login: View) -> View:
    """Wrap a login view: apply the rate limit (429) and set the cookie of known browsers."""

    @wraps(login)
    def counted(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method != "POST":
            return login(request, *args, **kwargs)
        try:
            login_limits.count_login(request, account=address_key(request.POST.get("username", "")))
        except Problem as problem:
            return response_to(request, problem)
        response = login(request, *args, **kwargs)
        user: Any = request.user
        # If a second factor is needed, the login is complete only after the page for it.
        if response.status_code == REDIRECT and not second_factor.is_required_for(user):
            known_browsers.remember(request, response, user)
        return response

    return require_http_methods(["GET", "HEAD", "POST"])(counted)
