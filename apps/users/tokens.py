"""JSON Web Tokens: a short access token and a refresh token that is used once.

The refresh tokens that follow one login are a family. One that is shown a second time was copied:
either of the two who have it may be the thief, so the whole family is revoked (RFC 9700, 4.14.2).
There is no time of grace in which a second use would pass: a thief who is quick would pass as well,
and a client that has lost an answer logs in again.
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

# The id of a refresh token is that of the first of its family, and after this an own one.
FAMILY_SEPARATOR = "-"
REVOKED = "revoked"
# A call that is being answered may still issue a token when its family is revoked.
LONGEST_CALL = timedelta(days=1)

USER_CLAIM = "user_id"
VERSION_CLAIM = "session_version"
SECOND_FACTOR_CLAIM = "second_factor"


class TokenRefused(Exception):  # noqa: N818 - it is an answer to a question, not a fault.
    """The token is not ours, has expired, was used or revoked, or its user may not log in."""


class AccessToken(LibraryAccessToken):
    """The token that opens the API; see ``token_keys`` for its key."""

    def get_token_backend(self) -> Any:
        """Return what signs and verifies."""
        return rotating_backend


class RefreshToken(LibraryRefreshToken):
    """The token that is given for new ones."""

    access_token_class = AccessToken

    def get_token_backend(self) -> Any:
        """Return what signs and verifies."""
        return rotating_backend


class _ReadableRefreshToken(RefreshToken):
    """A refresh token that can be read after its use; ``rotate`` asks whether it was used."""

    def check_blacklist(self) -> None:
        """Let it through."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tokens:
    """What a login gives. ``expires_in`` are the seconds of the access token."""

    access: str
    refresh: str
    expires_in: int


def issue(user: User, *, second_factor_passed: bool = False, family: str | None = None) -> Tokens:
    """Make the tokens of a user who has shown who they are.

    Args:
        user: The user.
        second_factor_passed: By two factors, not by one.
        family: That of the refresh token which these replace; None at a login.
    """
    refresh = RefreshToken()
    if family is not None:
        refresh["jti"] = f"{family}{FAMILY_SEPARATOR}{refresh['jti']}"
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
    return _user_id(_decoded(_ReadableRefreshToken, raw))


def rotate(raw: str) -> tuple[User, Tokens]:
    """Take a refresh token and give new ones.

    Raises:
        TokenRefused: It is no good refresh token, or was used before, be it at this very moment by
            another call. Its family is revoked then.
    """
    refresh = _decoded(_ReadableRefreshToken, raw)
    user = _user(refresh)
    family = _family_of(refresh)
    if _is_revoked(family):
        raise TokenRefused
    # Of two calls the unique row lets one be the first, whichever process they are in.
    _, first = refresh.blacklist()
    if not first:
        _revoke_family(family, user)
        log.warning("a refresh token was used twice: its family is revoked", user_id=str(user.pk))
        raise TokenRefused
    passed = bool(refresh.get(SECOND_FACTOR_CLAIM))
    return user, issue(user, second_factor_passed=passed, family=family)


def revoke(raw: str) -> None:
    """Revoke a refresh token and those that have followed it.

    One that is no good is no error: it already opens nothing. RFC 7009, 2.2, wants it so.
    """
    try:
        refresh = _decoded(_ReadableRefreshToken, raw)
        user = User.objects.filter(pk=_user_id(refresh)).first()
    except TokenRefused:
        return
    # Processes of the version before, which may run beside this one, know single tokens only.
    refresh.blacklist()
    if user is not None:
        _revoke_family(_family_of(refresh), user)


def _family_of(refresh: RefreshToken) -> str:
    return str(refresh["jti"]).partition(FAMILY_SEPARATOR)[0]


def _is_revoked(family: str) -> bool:
    revoked = f"{family}{FAMILY_SEPARATOR}{REVOKED}"
    return BlacklistedToken.objects.filter(token__jti=revoked).exists()


def _revoke_family(family: str, user: User) -> None:
    """Revoke all of a family, those too that another call is about to issue.

    The mark is a row of the library's own table, which outlives every token of the family and
    leaves with them.
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
