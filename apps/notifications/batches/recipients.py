"""Find the users of rows that name them by the client's own id or by an address."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from apps.common.rest.problems import FieldError, Problem, invalid, pointer_to
from apps.users import contacts

# Instead of ``user_id``, in this order.
NAMES = ("external_id", "email")
NEEDS_SCOPE = "Recipients by external_id or email need the scope users:read."


def names_recipient(row: Mapping[str, Any]) -> bool:
    """Return whether a row has its recipient by another name than ``user_id``."""
    return not row.get("user_id") and any(row.get(name) for name in NAMES)


class Recipients:
    """The users of some rows, found with two queries.

    Args:
        client: The client whose external ids are meant.
        allowed: Whether the caller may look up users.
    """

    def __init__(self, *, client: str, allowed: bool) -> None:
        self._client = client
        self._allowed = allowed
        self._by_name: dict[str, dict[str, UUID]] = {name: {} for name in NAMES}

    def look_up(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Find the users of rows."""
        named = [row for row in rows if names_recipient(row)]
        if not named or not self._allowed:
            return
        ids, addresses = (
            {row[name] for row in named if isinstance(row.get(name), str)} for name in NAMES
        )
        if ids:
            found = contacts.users_of_external_ids(ids, client=self._client)
            self._by_name["external_id"] |= found
        if addresses:
            self._by_name["email"] |= contacts.users_of_addresses(addresses)

    def resolved(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row with its ``user_id``, without the other names.

        Raises:
            Problem: 403 if the caller may not look up users, 400 for a name that is no text, 422 if
                there is no such user.
        """
        given = {name: value for name, value in row.items() if name not in NAMES}
        if not names_recipient(row):
            return given
        name = next(name for name in NAMES if row.get(name))
        value = row[name]
        if not self._allowed:
            error = FieldError(pointer=pointer_to(name), code="scope_missing", detail=NEEDS_SCOPE)
            raise Problem(403, NEEDS_SCOPE, code="permission_denied", errors=[error])
        if not isinstance(value, str):
            raise invalid(pointer_to(name), "invalid", "Expected a string.")
        key = contacts.address_key(value) if name == "email" else value
        user = self._by_name[name].get(key)
        if user is None:
            detail = "There is no such user."
            error = FieldError(pointer=pointer_to(name), code="unknown_user", detail=detail)
            raise Problem(422, detail, code="unprocessable", errors=[error])
        return {**given, "user_id": str(user)}
