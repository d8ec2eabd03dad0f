"""Find the users of rows that name them by the client's own id or by an address, or create them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from apps.common.ids import as_uuid
from apps.common.rest.problems import FieldError, Problem, invalid, pointer_to
from apps.users import contacts

# Instead of ``user_id``, in this order.
NAMES = ("external_id", "email")
NO_ADDRESS = "There is no such user, and one is created with an address, which this row has not."
NEEDS_SCOPE = "Recipients by external_id or email need the scope users:read."

# Creates the users that do not exist; see ``contacts.create_named``.
Create = Callable[[Sequence[contacts.NamedAccount]], list[UUID | Problem]]


def names_recipient(row: Mapping[str, Any]) -> bool:
    """Return whether a row has its recipient by another name than ``user_id``."""
    return not row.get("user_id") and any(row.get(name) for name in NAMES)


class Recipients:
    """The users of some rows, found with two queries.

    Args:
        client: The client whose external ids are meant.
        allowed: Whether the caller may look up users.
        create: Creates the users that do not exist; None if such a row is an error.
    """

    def __init__(self, *, client: str, allowed: bool, create: Create | None = None) -> None:
        self._client = client
        self._allowed = allowed
        self._create = create
        self._by_name: dict[str, dict[str, UUID]] = {name: {} for name in NAMES}
        # What the client calls users that were found by their addresses.
        self._known_as: dict[UUID, str] = {}
        self._refused: dict[tuple[str | None, str], Problem] = {}

    def users_of(self, rows: Sequence[Mapping[str, Any]]) -> list[UUID | None]:
        """Return the user whom each row names, whether or not the caller may look users up.

        Nobody is shown the result: it says whose data a row is.
        """
        seeker = Recipients(client=self._client, allowed=True)
        seeker.look_up(rows)
        return [seeker._found(row) for row in rows]

    def _found(self, row: Mapping[str, Any]) -> UUID | None:
        if row.get("user_id"):
            return as_uuid(str(row["user_id"]))
        for name in NAMES:
            value = row.get(name)
            if isinstance(value, str) and value:
                found = self._by_name[name].get(self._key(name, value))
                if found is not None:
                    return found
        return None

    @property
    def creates(self) -> bool:
        """Whether users that do not exist are created."""
        return self._create is not None

    def look_up(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Find the users of rows."""
        named = [row for row in rows if names_recipient(row)]
        if not named or not self._allowed:
            return
        ids, addresses = (
            {self._key(name, row[name]) for row in named if isinstance(row.get(name), str)}
            for name in NAMES
        )
        if ids:
            found = contacts.users_of_external_ids(ids, client=self._client)
            self._by_name["external_id"] |= found
        if addresses:
            self._by_name["email"] |= contacts.users_of_addresses(
                addresses, to_be_created=self._create is not None
            )

    def create_missing(
        self, rows: Sequence[Mapping[str, Any]], *, is_valid: Callable[[Mapping[str, Any]], bool]
    ) -> None:
        """Create the users that rows name and that were not found, each of them once.

        Args:
            rows: The rows of ``look_up``.
            is_valid: Returns whether a row would become a notification if it had a user.
        """
        if self._create is None or not self._allowed:
            return
        planned: dict[str, contacts.NamedAccount] = {}
        ids: set[str] = set()
        for row in rows:
            named = self._missing(row)
            if named is None or named.external_id in ids or address_of(named) in planned:
                continue
            if key_of(named) not in self._refused and is_valid(row):
                try:
                    contacts.refuse_malformed(named)
                except Problem as problem:
                    self._refused[key_of(named)] = problem
                    continue
                planned[address_of(named)] = named
                ids |= {named.external_id} if named.external_id else set()
        if planned:
            self._store(list(planned.values()), self._create)
        self._learn_ids(rows)

    def _missing(self, row: Mapping[str, Any]) -> contacts.NamedAccount | None:
        """Return the account that a row names with an address and that was not found."""
        named = self._named(row) if names_recipient(row) else None
        if named is None or address_of(named) in self._by_name["email"]:
            return None
        return None if named.external_id in self._by_name["external_id"] else named

    def _named(self, row: Mapping[str, Any]) -> contacts.NamedAccount | None:
        """Return the names of a row; None without an address, or if one is no text."""
        email, external_id = row.get("email"), row.get("external_id") or None
        if not isinstance(email, str) or not email:
            return None
        if external_id is None:
            return contacts.NamedAccount(email=email)
        if not isinstance(external_id, str):
            return None
        external_id = self._key("external_id", external_id)
        return contacts.NamedAccount(email=email, external_id=external_id)

    def _store(self, planned: Sequence[contacts.NamedAccount], create: Create) -> None:
        for named, answer in zip(planned, create(planned), strict=True):
            if isinstance(answer, Problem):
                self._refused[key_of(named)] = answer
                continue
            self._by_name["email"][address_of(named)] = answer
            if named.external_id is not None:
                self._by_name["external_id"][named.external_id] = answer
                self._known_as[answer] = named.external_id
        if self._refused:
            # Another process may have created them just now.
            self.look_up({"external_id": each.external_id, "email": each.email} for each in planned)

    def _learn_ids(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Read what the client calls the users that have the addresses of unknown external ids."""
        users = {
            user
            for row in rows
            if names_recipient(row)
            and (named := self._named(row)) is not None
            and named.external_id is not None
            and named.external_id not in self._by_name["external_id"]
            and (user := self._by_name["email"].get(address_of(named))) is not None
        }
        if unknown := users - self._known_as.keys():
            self._known_as |= contacts.external_ids_of_users(unknown, client=self._client)

    def resolved(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row with its ``user_id``, without the other names.

        Raises:
            Problem: 403 if the caller may not look up users, 400 for a name that is no text or that
                no user can be created with, 409 for names of different users, 422 if there is no
                such user.
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
        user = self._by_name[name].get(self._key(name, value))
        if user is None and self._create is not None:
            user = self._user_of_address(row)
        if user is None:
            detail = "There is no such user."
            error = FieldError(pointer=pointer_to(name), code="unknown_user", detail=detail)
            raise Problem(422, detail, code="unprocessable", errors=[error])
        return {**given, "user_id": str(user)}

    def _user_of_address(self, row: Mapping[str, Any]) -> UUID | None:
        """Return the user of a row whose external id is not known; None if there is none.

        An account that exists is used as it is: a file creates users and changes none.

        Raises:
            Problem: Why the user was not created, or 409 if the client calls the user otherwise.
        """
        named = self._named(row)
        if named is None:
            if row.get("email"):
                raise invalid("/email", "invalid", "Expected a string.")
            raise invalid("/email", "required", NO_ADDRESS)
        user = self._by_name["email"].get(address_of(named))
        if user is None:
            if key_of(named) in self._refused:
                raise self._refused[key_of(named)]
            return None
        if named.external_id is not None and user in self._known_as:
            raise contacts.address_taken()
        return user

    def _key(self, name: str, value: str) -> str:
        """Return what a name is compared by."""
        if name == "email":
            return contacts.address_key(value)
        # The users API removes blanks around an id that it stores.
        return value if self._create is None else value.strip()


def address_of(named: contacts.NamedAccount) -> str:
    """Return the key of the address of an account."""
    return contacts.address_key(named.email)


def key_of(named: contacts.NamedAccount) -> tuple[str | None, str]:
    """Return what two rows have in common that name the same new account."""
    return named.external_id, address_of(named)
