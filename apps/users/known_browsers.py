"""Browsers that have logged in to an account before, told by a signed cookie.

Whoever knows an address can spend the account's limit of logins, from anywhere, and so keep its
owner out. A browser that has shown the password before is counted by itself instead, and stays able
to log in. (OWASP, "Slow Down Online Guessing Attacks with Device Cookies".)

The cookie opens nothing: it only says where a try is counted. It holds, for each account, the
session version that it was made in, so that a new password makes it void.
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
# Each login begins it anew; who comes less often than this counts with everybody once.
LIFETIME = timedelta(days=180)
# A machine that more people share than this remembers the latest.
ACCOUNTS_MAX = 5
# 128 bits: nobody guesses where another browser is counted.
MARK_BYTES = 16


@dataclass(frozen=True, slots=True)
class _Login:
    """An account that the browser has logged in to, and the mark by which it is counted there."""

    user: str
    session_version: int
    mark: str


def mark_of(request: HttpRequest | Request, *, account: str) -> str | None:
    """Return what the browser is counted by at the login of an account.

    Args:
        request: A try to log in.
        account: The key of the address that it names.

    Returns:
        None for a browser that has not logged in to this account in its present session version.
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
    """Let the browser know that it has logged in, with everything that is demanded of this user."""
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
        # The forms of the login are pages of this site; no other site has a use for it.
        samesite="Strict",
    )


def _logins(request: HttpRequest | Request) -> list[_Login]:
    """Read the cookie; one that is not ours, or too old, says nothing."""
    try:
        kept = signing.loads(request.COOKIES.get(COOKIE, ""), salt=SALT, max_age=LIFETIME)
    except signing.BadSignature:
        return []
    return [_Login(*login) for login in kept]
