"""The rate limit on login attempts. It is checked before a password is hashed.

A browser that has logged in to the account before has its own counter. All others are counted by
their IP address and by the account. A user who has already given the password or a token is counted
separately from both, so that someone who only knows the e-mail address cannot lock them out.
"""

from django.http import HttpRequest
from rest_framework.request import Request

from apps.common.throttling import RateState, count_call
from apps.users import known_browsers
from apps.users.models import User

GROUP = "login"


def count_login(request: HttpRequest | Request, *, account: str) -> list[RateState]:
    """Count a login attempt.

    Args:
        request: The login attempt.
        account: The key of the e-mail address in the attempt.

    Returns:
        The state of each limit that counted the attempt.

    Raises:
        Problem: 429 when the attempt exceeds a limit.
    """
    mark = known_browsers.mark_of(request, account=account)
    if mark is not None:
        return [count_call(request, group=GROUP, apart=mark)]
    return [
        count_call(request, group=GROUP),
        count_call(request, group=GROUP, account=account),
    ]


def count_proof(request: HttpRequest | Request, *, user: User) -> RateState:
    """Count a check of the password or code of a user who is logged in, at least by password.

    Raises:
        Problem: 429 when the attempt exceeds the limit.
    """
    mark = known_browsers.mark_of(request, account=user.email_key or "")
    return count_call(request, group=GROUP, apart=mark or f"of user {user.pk.hex}")
