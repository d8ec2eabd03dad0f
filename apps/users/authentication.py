"""Authentication: client applications by API key, users by token, staff by session.

Each class sets a ``Caller`` as ``request.auth`` and returns a challenge, so that a refusal is a 401
(RFC 9110, 11.6.1).
"""

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from apps.common.callers import Caller
from apps.users import api_keys, tokens
from apps.users.models import User
from apps.users.staff import second_factor

CHALLENGE = 'Api-Key realm="api", Bearer realm="api"'


def caller_for(user: User) -> Caller:
    """Return the caller for a user; for staff with their Django permissions."""
    if not user.is_staff:
        return Caller(client=None, user_id=user.pk, reads_from=user.reads_from)
    return Caller(
        client=f"{api_keys.STAFF_CLIENT_PREFIX}{user.pk}",
        user_id=user.pk,
        reads_from=user.reads_from,
        is_staff=True,
        permissions=frozenset(user.get_all_permissions()),
    )


def _credential(request: Request, scheme: str) -> str | None:
    """Return the credential of the Authorization header; None if it has another scheme."""
    given, _, credential = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
    return credential.strip() if given.lower() == scheme else None


class _Challenging(BaseAuthentication):
    def authenticate_header(self, request: Request) -> str:
        """Name the ways to authenticate."""
        return CHALLENGE


class ApiKeyAuthentication(_Challenging):
    """``Authorization: Api-Key <key>`` or ``X-API-Key: <key>``."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Caller] | None:
        """Verify the key.

        Raises:
            AuthenticationFailed: It is unknown or expired, or two different keys are given.
        """
        in_scheme = _credential(request, "api-key")
        in_header = request.META.get("HTTP_X_API_KEY")
        if in_scheme is None and in_header is None:
            return None
        if None not in {in_scheme, in_header} and in_scheme != in_header:
            raise AuthenticationFailed("Two different API keys were given.")
        caller = api_keys.verify((in_scheme if in_scheme is not None else in_header or "").strip())
        if caller is None:
            raise AuthenticationFailed("This API key is not valid.")
        return AnonymousUser(), caller


class TokenAuthentication(_Challenging):
    """``Authorization: Bearer <access token>`` from login."""

    def authenticate(self, request: Request) -> tuple[User, Caller] | None:
        """Verify the token.

        Raises:
            AuthenticationFailed: It is not a valid access token of a user who may log in.
        """
        raw = _credential(request, "bearer")
        if raw is None:
            return None
        try:
            user = tokens.user_of_access(raw)
        except tokens.TokenRefused:
            raise AuthenticationFailed("This token is not valid or has expired.") from None
        return user, caller_for(user)


class StaffSessionAuthentication(SessionAuthentication):
    """The session of Django's admin, with its CSRF protection."""

    def authenticate(self, request: Request) -> tuple[User, Caller] | None:
        """Return a logged-in staff user; sessions of other users are ignored."""
        found = super().authenticate(request)
        if found is None:
            return None
        user = found[0]
        if not isinstance(user, User) or not user.is_staff or user.erased_at is not None:
            return None
        if not second_factor.passed(request._request):  # noqa: SLF001 - like the parent class.
            return None
        return user, caller_for(user)

    def authenticate_header(self, request: Request) -> str:
        """Name the ways to authenticate."""
        return CHALLENGE
