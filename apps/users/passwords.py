"""Passwords: validation, limited concurrent hashing, and comparison in constant time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, check_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from apps.common.rest.problems import FieldError, Problem
from apps.users.models import User

MAX_LENGTH = 256  # A longer password only takes more time to hash.
# Argon2 uses one core and 100 MB for a tenth of a second. More concurrent hashes would occupy the
# threads of all other requests.
CONCURRENT_HASHES = 2
ANONYMOUS_WAITING = 4
ANONYMOUS_WAIT_SECONDS = 5.0
TRUSTED_WAIT_SECONDS = 15.0

_slots = threading.BoundedSemaphore(CONCURRENT_HASHES)
_anonymous_slots = threading.BoundedSemaphore(CONCURRENT_HASHES + ANONYMOUS_WAITING)


def _busy() -> Problem:
    return Problem(503, "Too many passwords are being checked.", headers={"Retry-After": "1"})


@contextmanager
def _slot(*, trusted: bool) -> Iterator[None]:
    if not trusted and not _anonymous_slots.acquire(blocking=False):
        raise _busy()
    try:
        if not _slots.acquire(timeout=TRUSTED_WAIT_SECONDS if trusted else ANONYMOUS_WAIT_SECONDS):
            raise _busy()
        try:
            yield
        finally:
            _slots.release()
    finally:
        if not trusted:
            _anonymous_slots.release()


def refuse_weak(password: str, *, user: User, pointer: str = "/password") -> None:
    """Check a new password with ``AUTH_PASSWORD_VALIDATORS``.

    Args:
        password: The new password.
        user: The user; the password must not be similar to the address. May be unsaved.
        pointer: JSON pointer to the password in the request.

    Raises:
        Problem: 400 with all rules that the password violates.
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
    """Set the hash of a password on a row without saving it.

    Args:
        user: The account.
        password: The new password; None disables login.
        trusted: Whether the caller is a client application or staff. Trusted calls wait longer for
            a free hashing slot than others, and their queue has no limit.

    Raises:
        Problem: 503 when too many passwords are being hashed.
    """
    if password is None:
        user.set_unusable_password()
        return
    with _slot(trusted=trusted):
        user.set_password(password)


def matches(user: User | None, password: str) -> bool:
    """Return whether the password is correct.

    The comparison takes the same time for an unknown user and for a user without a password.

    Raises:
        Problem: 503 when too many passwords are being hashed.
    """
    with _slot(trusted=False):
        if user is None:
            # With an unusable password Django still computes one hash.
            check_password(password, UNUSABLE_PASSWORD_PREFIX)
            return False
        return user.check_password(password)
