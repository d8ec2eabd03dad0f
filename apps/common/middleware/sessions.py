"""Django's session middleware for browser users, skipped for API calls with an API key."""

from typing import Any, cast

from django.contrib.auth import middleware as auth
from django.contrib.messages import middleware as messages
from django.contrib.sessions import middleware as sessions
from django.http import HttpRequest, HttpResponse
from django_otp import middleware as otp

API = "/api/v1/"


class _SkippedForKeys:
    """Mixin: skip a middleware for API calls with a key, which have no session."""

    get_response: Any

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Process the request; skip this middleware if the request has an API key."""
        # The next class in the MRO is the middleware that this mixin extends.
        usual = cast("Any", super())
        answer: HttpResponse = (self.get_response if has_key(request) else usual.__call__)(request)
        return answer


def has_key(request: HttpRequest) -> bool:
    """Return whether an API request has an API key, valid or not."""
    meta = request.META
    scheme = meta.get("HTTP_AUTHORIZATION", "")[:8]
    return request.path_info.startswith(API) and (
        "HTTP_X_API_KEY" in meta or scheme.lower() == "api-key "
    )


class SessionMiddleware(_SkippedForKeys, sessions.SessionMiddleware):
    """Load the session of a request without an API key."""


class AuthenticationMiddleware(_SkippedForKeys, auth.AuthenticationMiddleware):
    """Set the user of the session."""


class OTPMiddleware(_SkippedForKeys, otp.OTPMiddleware):  # type: ignore[misc] # The library is untyped.
    """Set whether the session has passed the second factor; evaluated lazily."""


class MessageMiddleware(_SkippedForKeys, messages.MessageMiddleware):
    """Load the messages of the admin."""
