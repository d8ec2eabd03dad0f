"""JSON Web Tokens: a short access token and a refresh token that is used once."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from apps.users import second_factor
from apps.users.models import User

USER_CLAIM = "user_id"
VERSION_CLAIM = "session_version"
SECOND_FACTOR_CLAIM = "second_factor"


class TokenRefused(Exception):  # noqa: N818 - it is an answer to a question, not a fault.
    """The token is not ours, has expired, was used or revoked, or its user may not log in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tokens:
    """What a login gives. ``expires_in`` are the seconds of the access token."""

    access: str
    refresh: str
    expires_in: int


def issue(user: User, *, second_factor_passed: bool = False) -> Tokens:
    """Make the tokens of a user who has shown who they are, with one factor or with two."""
    refresh = RefreshToken()
    refresh[USER_CLAIM] = str(user.pk)
    refresh[VERSION_CLAIM] = user.session_version
    refresh[SECOND_FACTOR_CLAIM] = second_factor_passed
    # The table keeps the id for revocation; the token itself would let its reader log in.
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
    """Return the user who may act by this token.

    Raises:
        TokenRefused: Nobody may.
    """
    user = User.objects.filter(pk=_user_id(token), is_active=True, erased_at=None).first()
    if user is None or token.get(VERSION_CLAIM) != user.session_version:
        raise TokenRefused
    # Of staff who have enrolled since, an older token counts for as little as a password alone.
    if not token.get(SECOND_FACTOR_CLAIM) and second_factor.demanded_of(user):
        raise TokenRefused
    return user


def user_of_access(raw: str) -> User:
    """Return the user of an access token.

    Raises:
        TokenRefused: It is no good access token.
    """
    return _user(_decoded(AccessToken, raw))


def _decoded(kind: type[Any], raw: str) -> Any:
    try:
        return kind(raw)
    except (TokenError, ValueError, KeyError, TypeError, AttributeError):
        # The library lets a few malformed payloads through to its own attribute look-ups.
        raise TokenRefused from None


def refresh_subject(raw: str) -> UUID:
    """Return whose refresh token this is, for the limit on the account.

    Raises:
        TokenRefused: It is no good refresh token.
    """
    return _user_id(_decoded(RefreshToken, raw))


def rotate(raw: str) -> tuple[User, Tokens]:
    """Take a refresh token and give new ones.

    Raises:
        TokenRefused: It is no good refresh token, or another call has used it.
    """
    refresh = _decoded(RefreshToken, raw)
    user = _user(refresh)
    _, first = refresh.blacklist()
    if not first:
        raise TokenRefused
    return user, issue(user, second_factor_passed=bool(refresh.get(SECOND_FACTOR_CLAIM)))


def revoke(raw: str) -> None:
    """Revoke a refresh token. One that is no good is no error: it already opens nothing.

    RFC 7009, 2.2, wants it so.
    """
    try:
        refresh = _decoded(RefreshToken, raw)
    except TokenRefused:
        return
    refresh.blacklist()
