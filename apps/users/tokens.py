"""JSON Web Tokens: a short-lived access token and a refresh token that can be used once.

All refresh tokens that come from one login are a family. A second use of a token means that it was
copied. Either user of it may be the attacker, so the whole family is revoked (RFC 9700, 4.14.2).
There is no grace period for a second use: a fast attacker could use it as well. A client that has
lost a response must log in again.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.utils import timezone
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import AccessToken as LibraryAccessToken
from rest_framework_simplejwt.tokens import RefreshToken as LibraryRefreshToken

from apps.users.models import User
from apps.users.staff import second_factor
from apps.users.token_keys import rotating_backend

log = structlog.get_logger(__name__)

# The id of a refresh token is the id of the first token of its family, this separator and its own
# id.
FAMILY_SEPARATOR = "-"
REVOKED = "revoked"
# A concurrent request may still issue a token while its family is revoked. The revocation mark is
# kept for this long after the lifetime of a token.
LONGEST_CALL = timedelta(days=1)

USER_CLAIM = "user_id"
VERSION_CLAIM = "session_version"
SECOND_FACTOR_CLAIM = "second_factor"


class TokenRefused(Exception):  # noqa: N818 - it is a normal result, not a program error.
    """The token is invalid, expired, used or revoked, or its user may not log in."""


class AccessToken(LibraryAccessToken):
    """The token for API requests; see ``token_keys`` for its key."""

    def get_token_backend(self) -> Any:
        """Return what signs and verifies."""
        return rotating_backend


class RefreshToken(LibraryRefreshToken):
    """The token to get new tokens."""

    access_token_class = AccessToken

    def get_token_backend(self) -> Any:
        """Return what signs and verifies."""
        return rotating_backend


class _ReadableRefreshToken(RefreshToken):
    """A refresh token that can be read after its use; ``rotate`` checks whether it was used."""

    def check_blacklist(self) -> None:
        """Do not check the blacklist."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tokens:
    """The tokens of a login. ``expires_in`` is the lifetime of the access token in seconds."""

    access: str
    refresh: str
    expires_in: int


def issue(user: User, *, second_factor_passed: bool = False, family: str | None = None) -> Tokens:
    """Issue tokens for an authenticated user.

    Args:
        user: The user.
        second_factor_passed: Whether the user was authenticated with a second factor.
        family: The family of the refresh token that these tokens replace; None at a login.
    """
    refresh = RefreshToken()
    if family is not None:
        refresh["jti"] = f"{family}{FAMILY_SEPARATOR}{refresh['jti']}"
    refresh[USER_CLAIM] = str(user.pk)
    refresh[VERSION_CLAIM] = user.session_version
    refresh[SECOND_FACTOR_CLAIM] = second_factor_passed
    # Store only the id, which revocation needs. Anyone who can read a stored token could use it.
    OutstandingToken.objects.create(
        user=user,
        jti=refresh["jti"],
        token="",
        created_at=refresh.current_time,
        expires_at=datetime.fromtimestamp(refresh["exp"], tz=UTC),
    )
    return Tokens(
        access=str(refresh.access_token),
        refresh=str(refresh),
        expires_in=int(api_settings.ACCESS_TOKEN_LIFETIME.total_seconds()),
    )


def _user_id(token: AccessToken | RefreshToken) -> UUID:
    try:
        return UUID(str(token.get(USER_CLAIM)))
    except ValueError:
        raise TokenRefused from None


def _user(token: AccessToken | RefreshToken) -> User:
    """Return the user of this token.

    Raises:
        TokenRefused: The token is not valid any more, or its user may not log in.
    """
    user = User.objects.filter(pk=_user_id(token), is_active=True, erased_at=None).first()
    if user is None or token.get(VERSION_CLAIM) != user.session_version:
        raise TokenRefused
    # If staff have enrolled after the login, a token without the second factor is not sufficient.
    if not token.get(SECOND_FACTOR_CLAIM) and second_factor.is_required_for(user):
        raise TokenRefused
    return user


def user_of_access(raw: str) -> User:
    """Return the user of an access token.

    Raises:
        TokenRefused: It is not a valid access token.
    """
    return _user(_decoded(AccessToken, raw))


def _decoded(kind: type[Any], raw: str) -> Any:
    try:
        return kind(raw)
    except (TokenError, ValueError, KeyError, TypeError, AttributeError):
        # For a few malformed payloads the library raises errors of its own attribute look-ups.
        raise TokenRefused from None


def refresh_subject(raw: str) -> UUID:
    """Return the user id of a refresh token, for the rate limit of the account.

    Raises:
        TokenRefused: It is not a valid refresh token.
    """
    return _user_id(_decoded(_ReadableRefreshToken, raw))


def rotate(raw: str) -> tuple[User, Tokens]:
    """Exchange a refresh token for new tokens.

    Raises:
        TokenRefused: It is not a valid refresh token, or it was already used, also by a concurrent
            call. After a second use its family is revoked.
    """
    refresh = _decoded(_ReadableRefreshToken, raw)
    user = _user(refresh)
    family = _family_of(refresh)
    if _is_revoked(family):
        raise TokenRefused
    # The unique row ensures that only one of two concurrent calls is first, in any process.
    _, first = refresh.blacklist()
    if not first:
        _revoke_family(family, user)
        log.warning("a refresh token was used twice: its family is revoked", user_id=str(user.pk))
        raise TokenRefused
    passed = bool(refresh.get(SECOND_FACTOR_CLAIM))
    return user, issue(user, second_factor_passed=passed, family=family)


def revoke(raw: str) -> None:
    """Revoke a refresh token and its whole family.

    An invalid token is not an error, because it gives no access anyway (RFC 7009, 2.2).
    """
    try:
        refresh = _decoded(_ReadableRefreshToken, raw)
        user = User.objects.filter(pk=_user_id(refresh)).first()
    except TokenRefused:
        return
    # Processes of the previous version may run concurrently; they only check single tokens.
    refresh.blacklist()
    if user is not None:
        _revoke_family(_family_of(refresh), user)


def _family_of(refresh: RefreshToken) -> str:
    return str(refresh["jti"]).partition(FAMILY_SEPARATOR)[0]


def _is_revoked(family: str) -> bool:
    revoked = f"{family}{FAMILY_SEPARATOR}{REVOKED}"
    return BlacklistedToken.objects.filter(token__jti=revoked).exists()


def _revoke_family(family: str, user: User) -> None:
    """Revoke all tokens of a family, including those that a concurrent call is about to issue.

    The revocation mark is a row in the library's own table. It expires after all tokens of the
    family and is purged like them.
    """
    now = timezone.now()
    mark, _ = OutstandingToken.objects.get_or_create(
        jti=f"{family}{FAMILY_SEPARATOR}{REVOKED}",
        defaults={
            "user": user,
            "token": "",
            "created_at": now,
            "expires_at": now + api_settings.REFRESH_TOKEN_LIFETIME + LONGEST_CALL,
        },
    )
    BlacklistedToken.objects.get_or_create(token=mark)
