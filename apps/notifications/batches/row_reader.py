"""Read the rows of an uploaded file as requests, with the users that they name."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from rest_framework.exceptions import ParseError

from apps.common.ids import new_id
from apps.common.rest.parsers import ESCAPED_CONTROL, decode, refuse_control_characters
from apps.common.rest.problems import Problem, invalid
from apps.notifications.batches.columns import BLANKS, Column, as_fields, columns_of
from apps.notifications.batches.recipients import NAMES, Create, Recipients
from apps.notifications.intake import requests
from apps.notifications.intake.requests import SendRequest
from apps.users import contacts

Row = SendRequest | Problem

# The keys of headers of files that an earlier release would misread. Without the key that it knows
# its step fails there and is repeated, for ten minutes, until a newer process does it. The second
# is that of a file whose rows create users.
NEW_HEADER = "new_header"
CREATING_HEADER = "creating_header"
# A key of a JSON object, and not a value such as ``"notification_type": "email"``.
NAMED = re.compile(rb'"(?:%s)"\s*:' % "|".join(NAMES).encode())
# Stands for the user of a row before there is one.
ANYBODY = UUID(int=0)


@dataclass(frozen=True, kw_only=True)
class RowFacts:
    """What is known about a row, even if it is no request.

    Attributes:
        user_id: The user whom it names; None if it names none.
        template_code: The code that it names, or that of the defaults; empty if there is none.
    """

    user_id: UUID | None
    template_code: str


@dataclass(frozen=True, kw_only=True)
class RowReader:
    """Reads the rows of an uploaded file.

    Attributes:
        columns: The columns of a CSV file; None for NDJSON.
        defaults: The fields that rows may leave out.
        recipients: The users of rows that name them otherwise than by their id.
    """

    columns: Sequence[Column] | None
    defaults: dict[str, object]
    recipients: Recipients

    def look_up(self, lines: Sequence[bytes]) -> None:
        """Find the users of rows that name them otherwise, before these rows are read."""
        named = [line for line in lines if self._may_name(line)]
        given = []
        for line in named:
            # What is wrong with a row is found when it is read.
            with suppress(Problem, ParseError, msgspec.DecodeError):
                given.append(self._fields(line))
        self.recipients.look_up(given)
        self.recipients.create_missing(given, is_valid=self._is_valid)

    def is_new(self, lines: Sequence[bytes]) -> bool:
        """Return whether an earlier release would misread the file, whose first lines these are."""
        typed = any(column.kind or not column.name for column in self.columns or ())
        return typed or any(map(self._may_name, lines))

    def read(self, line: bytes) -> Row:
        """Read a row, after ``look_up``."""
        return _as_row(lambda: self._request(line))

    def _may_name(self, line: bytes) -> bool:
        if self.columns is None:
            return NAMED.search(line) is not None
        return any(column.name in NAMES and not column.groups for column in self.columns)

    def about(self, lines: Sequence[bytes]) -> list[RowFacts | None]:
        """Return what is known about rows, whatever is wrong with them.

        Returns:
            The facts of each row; None if it cannot be read at all.
        """
        given = [self._plain_fields(line) for line in lines]
        users = self.recipients.users_of([one or {} for one in given])
        return [
            None
            if one is None
            else RowFacts(
                user_id=user, template_code=str({**self.defaults, **one}.get("template_code", ""))
            )
            for one, user in zip(given, users, strict=True)
        ]

    def _plain_fields(self, line: bytes) -> dict[str, Any] | None:
        """Return the fields of a row without its objects, and with no check of a cell."""
        if self.columns is not None:
            named = zip(self.columns, _cells_of(line), strict=False)
            return {
                one.name: text
                for one, cell in named
                if not one.groups and (text := cell.strip(BLANKS))
            }
        try:
            given = decode(line)
        except (Problem, ParseError, msgspec.DecodeError):
            return None
        return given if isinstance(given, dict) else None

    def _is_valid(self, given: Mapping[str, Any]) -> bool:
        try:
            self._check_others(given)
        except msgspec.ValidationError:
            return False
        return True

    def _check_others(self, given: Mapping[str, Any]) -> None:
        """Read a row without its recipient.

        Raises:
            msgspec.ValidationError: It is no request, whoever gets it.
        """
        others = {name: value for name, value in given.items() if name not in NAMES}
        self._as_request({**others, "user_id": str(ANYBODY)})

    def _fields(self, line: bytes) -> dict[str, Any]:
        if self.columns is not None:
            named = as_fields(self.columns, _cells_of(line))
            if ESCAPED_CONTROL.search(line):
                refuse_control_characters(named)
            return named
        given = decode(line)
        if not isinstance(given, dict):
            raise invalid("", "invalid", "Expected a JSON object.")
        return given

    def _request(self, line: bytes) -> SendRequest:
        given = self._fields(line)
        if not given.keys().isdisjoint(NAMES):
            try:
                given = self.recipients.resolved(given)
            except Problem:
                if self.recipients.creates:
                    # What else is wrong with it is the reason that its user was not created.
                    self._check_others(given)
                raise
        return self._as_request(given)

    def _as_request(self, given: Mapping[str, Any]) -> SendRequest:
        # CSV cells are always text and must be converted; JSON values must have the right type.
        return requests.row_of({**self.defaults, **given}, strict=self.columns is None)


def header_key(*, creates: bool, is_new: bool) -> str:
    """Return the key of the terms that has the header of a file.

    Args:
        creates: Whether the rows create the users that they name.
        is_new: The result of ``RowReader.is_new``.
    """
    if creates:
        return CREATING_HEADER
    return NEW_HEADER if is_new else "header"


def header_of_terms(terms: Mapping[str, Any]) -> list[str] | None:
    """Return the header that the terms of an upload have; None for NDJSON.

    Raises:
        KeyError: They have none.
    """
    key = header_key(creates=CREATING_HEADER in terms, is_new=NEW_HEADER in terms)
    header: list[str] | None = terms[key]
    return header


def reader_of(terms: Mapping[str, Any], *, client: str, pretend: bool = False) -> RowReader:
    """Return the reader for the rows of a file.

    Args:
        terms: The terms of its batch.
        client: The client that uploaded it.
        pretend: Whether users are only invented where they would be created, to check a file.
    """
    creates = CREATING_HEADER in terms
    header = header_of_terms(terms)
    create: Create | None = None
    if creates:
        create = _invent if pretend else partial(contacts.create_named, client=client)
    return RowReader(
        columns=None if header is None else columns_of(header),
        defaults=terms["defaults"],
        recipients=Recipients(
            client=client,
            # A file that an earlier release received names users by their ids.
            allowed=terms.get("may_look_up", False),
            create=create,
        ),
    )


def _cells_of(line: bytes) -> list[str]:
    """Return the cells of a row of a CSV file, as they were stored."""
    cells: list[str] = msgspec.json.decode(line)
    return cells


def _invent(named: Sequence[contacts.NamedAccount]) -> list[UUID | Problem]:
    return [new_id() for _ in named]


def _as_row(read: Callable[[], SendRequest]) -> Row:
    """Return a request, or what is wrong with it."""
    try:
        return read()
    except Problem as problem:
        return problem
    except msgspec.ValidationError as error:
        return requests.as_problem(error)
    except ParseError as error:
        return invalid("", "malformed_json", str(error.detail))
