"""A refused write as a 409: which constraint it has broken, in the words of either database."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError, transaction

from apps.common.rest.problems import FieldError, Problem


def breaks(error: IntegrityError, *, constraint: str, columns: str) -> bool:
    """Tell whether the error is about this very constraint.

    Args:
        error: What the database said.
        constraint: Its name, by which PostgreSQL calls it.
        columns: Its columns as SQLite lists them, such as ``users_user.email``.
    """
    diagnosis = getattr(error.__cause__, "diag", None)
    if diagnosis is not None:
        return bool(diagnosis.constraint_name == constraint)
    return str(error) == f"UNIQUE constraint failed: {columns}"


def _conflict(pointer: str, code: str, detail: str) -> Problem:
    error = FieldError(pointer=pointer, code=code, detail=detail)
    return Problem(409, detail, code=code, errors=[error])


def address_taken() -> Problem:
    """Make the 409 for an address that another account has."""
    return _conflict("/email", "duplicate_email", "Another account has this e-mail address.")


@contextmanager
def conflicts_answered() -> Iterator[None]:
    """Run a transaction; answer the loss of a race for an address or an external id with a 409."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        # Either constraint of the address may be the first that is looked at.
        if any(
            breaks(error, constraint=f"users_user_{column}", columns=f"users_user.{column}")
            for column in ("email", "email_key")
        ):
            raise address_taken() from None
        if breaks(
            error,
            constraint="users_externalid_value",
            columns="users_externalid.client, users_externalid.value",
        ):
            raise _conflict(
                "/external_id", "duplicate_external_id", "Another user has this external id."
            ) from None
        raise
