"""The limit on tries to log in, which no password is hashed beyond.

A browser that has logged in to the account before is counted by itself, everybody else by their
address and by the account. Whoever has shown the password or a token already is counted apart from
both, so that those who only know the address cannot keep them out either.
"""

from django.http import HttpRequest
from rest_framework.request import Request

from apps.common.throttling import RateState, count_call
from apps.users import known_browsers
from apps.users.models import User

GROUP = "login"


def count_login(request: HttpRequest | Request, *, account: str) -> list[RateState]:
    """Count a try to log in.

    Args:
        request: The try.
        account: The key of the address that it names.

    Returns:
        Where the caller stands in each limit that it was counted against.

    Raises:
        Problem: 429 when it is one too many.
    """
    mark = known_browsers.mark_of(request, account=account)
    if mark is not None:
        return [count_call(request, group=GROUP, apart=mark)]
    return [
        count_call(request, group=GROUP),
        count_call(request, group=GROUP, account=account),
    ]


def count_proof(request: HttpRequest | Request, *, user: User) -> RateState:
    """Count a try to show one's password or code again, by somebody who is logged in or half so.

    Raises:
        Problem: 429 when it is one too many.
    """
    mark = known_browsers.mark_of(request, account=user.email_key or "")
    return count_call(request, group=GROUP, apart=mark or f"of user {user.pk.hex}")
