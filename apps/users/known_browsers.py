"""Recognize browsers that have logged in to an account before, by a signed cookie.

Anyone who knows an address can use up the login limit of its account and so lock out its owner. A
browser that has sent the correct password before has a separate limit, so it can still log in.
(OWASP, "Slow Down Online Guessing Attacks with Device Cookies".)

The cookie gives no access; it only selects the counter of a login attempt. For each account it
contains the session version at the time of the login, so that a new password invalidates it.
"""

import secrets
from dataclasses import astuple, dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request

from apps.users.models import User

COOKIE = "known_browser"
SALT = "users.known-browser"
# Each login renews it. After a longer pause the next login uses the common limits.
LIFETIME = timedelta(days=180)
# If more users share a browser, only the latest accounts are kept.
ACCOUNTS_MAX = 5
# 128 bits, so that the counter key of another browser cannot be guessed.
MARK_BYTES = 16


@dataclass(frozen=True, slots=True)
class _Login:
    """An account that the browser has logged in to, and the browser's counter key for it."""

    user: str
    session_version: int
    mark: str


def mark_of(request: HttpRequest | Request, *, account: str) -> str | None:
    """Return the counter key of the browser for login attempts at an account.

    Args:
        request: A login attempt.
        account: The key of the address in the attempt.

    Returns:
        None if the browser has not logged in to this account in its current session version.
    """
    logins = {login.user: login for login in _logins(request)}
    if not logins:
        return None
    owners = User.objects.filter(pk__in=map(UUID, logins), email_key=account)
    for pk, session_version in owners.values_list("pk", "session_version"):
        login = logins[pk.hex]
        if login.session_version == session_version:
            return login.mark
    return None


def remember(request: HttpRequest | Request, response: HttpResponse, user: User) -> None:
    """Set the cookie after a complete login, with the second factor if the user needs one."""
    logins = _logins(request)
    mark = next((login.mark for login in logins if login.user == user.pk.hex), None)
    latest = _Login(user.pk.hex, user.session_version, mark or secrets.token_urlsafe(MARK_BYTES))
    others = [login for login in logins if login.user != latest.user]
    kept = [astuple(login) for login in (latest, *others)][:ACCOUNTS_MAX]
    response.set_cookie(
        COOKIE,
        signing.dumps(kept, salt=SALT),
        max_age=LIFETIME,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        # Only the login forms of this site need the cookie.
        samesite="Strict",
    )


def _logins(request: HttpRequest | Request) -> list[_Login]:
    """Read the cookie; ignore one that is invalid or expired."""
    try:
        kept = signing.loads(request.COOKIES.get(COOKIE, ""), salt=SALT, max_age=LIFETIME)
    except signing.BadSignature:
        return []
    return [_Login(*login) for login in kept]
