"""Convert violated unique constraints to 409 problems, for PostgreSQL and SQLite."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError, transaction

from apps.common.rest.problems import FieldError, Problem


def breaks(error: IntegrityError, *, constraint: str, columns: str) -> bool:
    """Return whether the error is a violation of this constraint.

    Args:
        error: The error of the database.
        constraint: The name of the constraint, which PostgreSQL reports.
        columns: The columns of the constraint, as SQLite reports them: ``users_user.email``.
    """
    diagnosis = getattr(error.__cause__, "diag", None)
    if diagnosis is not None:
        return bool(diagnosis.constraint_name == constraint)
    return str(error) == f"UNIQUE constraint failed: {columns}"


def _conflict(pointer: str, code: str, detail: str) -> Problem:
    error = FieldError(pointer=pointer, code=code, detail=detail)
    return Problem(409, detail, code=code, errors=[error])


def address_taken() -> Problem:
    """Return a 409 problem for an address that another account has."""
    return _conflict("/email", "duplicate_email", "Another account has this e-mail address.")


@contextmanager
def conflicts_answered() -> Iterator[None]:
    """Run a transaction; raise a 409 problem if the address or the external id is taken.

    This also covers a concurrent request that takes it first.
    """
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        # The database may check either constraint of the address first.
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
