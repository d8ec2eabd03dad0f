"""Passwords: strong enough, hashed a few at a time, and compared in equal time for everybody."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, check_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from apps.common.rest.problems import FieldError, Problem
from apps.users.models import User

MAX_LENGTH = 256  # A longer one only costs time to hash.
# Argon2 takes a core and 100 MB for a tenth of a second. More at once would take the threads
# that answer everything else.
AT_ONCE = 2
STRANGERS_WAITING = 4
STRANGER_WAIT_SECONDS = 5.0
TRUSTED_WAIT_SECONDS = 15.0

_slots = threading.BoundedSemaphore(AT_ONCE)
_strangers = threading.BoundedSemaphore(AT_ONCE + STRANGERS_WAITING)


def _busy() -> Problem:
    return Problem(503, "Too many passwords are being checked.", headers={"Retry-After": "1"})


@contextmanager
def _slot(*, trusted: bool) -> Iterator[None]:
    if not trusted and not _strangers.acquire(blocking=False):
        raise _busy()
    try:
        if not _slots.acquire(timeout=TRUSTED_WAIT_SECONDS if trusted else STRANGER_WAIT_SECONDS):
            raise _busy()
        try:
            yield
        finally:
            _slots.release()
    finally:
        if not trusted:
            _strangers.release()


def refuse_weak(password: str, *, user: User, pointer: str = "/password") -> None:
    """Hold a new password against ``AUTH_PASSWORD_VALIDATORS``.

    Args:
        password: The new password.
        user: Whom it is for; it must not resemble their address. May be unsaved.
        pointer: Where the password stands in the request.

    Raises:
        Problem: 400 with every rule that it breaks.
    """
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Problem(
            400,
            "The request is not valid.",
            code="invalid",
            errors=[
                FieldError(pointer=pointer, code=each.code or "invalid", detail=each.messages[0])
                for each in error.error_list
            ],
        ) from None


def set_hash(user: User, password: str | None, *, trusted: bool) -> None:
    """Put the hash of a password on the unsaved row; None: nobody can log in.

    Args:
        user: The account.
        password: The new password.
        trusted: A client application or staff asks, who may wait longer than a stranger.

    Raises:
        Problem: 503 when too many passwords are being hashed.
    """
    if password is None:
        user.set_unusable_password()
        return
    with _slot(trusted=trusted):
        user.set_password(password)


def matches(user: User | None, password: str) -> bool:
    """Compare a password, in the same time for an unknown user and one without a password.

    Raises:
        Problem: 503 when too many passwords are being hashed.
    """
    with _slot(trusted=False):
        if user is None:
            # Django hashes once for a password that cannot be right.
            check_password(password, UNUSABLE_PASSWORD_PREFIX)
            return False
        return user.check_password(password)
