"""Django's middleware for people at a browser, which programs with a key are spared."""

from typing import Any, cast

from django.contrib.auth import middleware as auth
from django.contrib.messages import middleware as messages
from django.contrib.sessions import middleware as sessions
from django.http import HttpRequest, HttpResponse
from django_otp import middleware as otp

API = "/api/v1/"


class _ForPeople:
    """Mixin: a call of the API with a key has no session, and nothing that hangs on one."""

    get_response: Any

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer; with a key, as if this were not there."""
        # Behind this mixin stands the middleware that it is mixed into.
        usual = cast("Any", super())
        answer: HttpResponse = (self.get_response if has_key(request) else usual.__call__)(request)
        return answer


def has_key(request: HttpRequest) -> bool:
    """Tell whether a call of the API carries an API key, a good one or not."""
    meta = request.META
    scheme = meta.get("HTTP_AUTHORIZATION", "")[:8]
    return request.path_info.startswith(API) and (
        "HTTP_X_API_KEY" in meta or scheme.lower() == "api-key "
    )


class SessionMiddleware(_ForPeople, sessions.SessionMiddleware):
    """Brings the session."""


class AuthenticationMiddleware(_ForPeople, auth.AuthenticationMiddleware):
    """Brings the user of the session."""


class OTPMiddleware(_ForPeople, otp.OTPMiddleware):  # type: ignore[misc] # Untyped there.
    """Says whether the session has passed the second factor; it asks when somebody looks."""


class MessageMiddleware(_ForPeople, messages.MessageMiddleware):
    """Brings the admin's messages."""
