"""Compare request bodies by digests, whose numbered forms (versions) are all kept.

A body is digested in the current form, and the row stores the number of that form. A row whose
number is null was stored before forms had numbers, or by a process of such a release that still
runs during an upgrade. It is compared with the forms of those releases, which stay here unchanged.

``body_digest`` still holds a form of the earlier releases, because they know no other column. A
call that is repeated at one of their processes during an upgrade, or after a rollback, thus gets
its first answer there as well.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, Protocol

import msgspec
import structlog
from msgspec import NODEFAULT

from apps.common.rest.problems import Problem
from apps.notifications.intake.requests import BroadcastRequest, SendRequest, Terms, with_utc_times

log = structlog.get_logger(__name__)

# The form of ``canonical_digest``. A change of the digested data below needs the next number, and
# the old function must be kept beside the new one.
PRESENT_FORM = 3

# The order in which the earlier releases wrote the fields. Fields that a class lacks are left out.
FIRST_ORDER = (
    "notification_type",
    "user_id",
    "template_code",
    "audience",
    "variables",
    "request_id",
    "priority",
    "metadata",
    "scheduled_for",
    "expires_at",
    "language",
)
SECOND_ORDER = (
    "notification_type",
    "template_code",
    "variables",
    "request_id",
    "priority",
    "metadata",
    "scheduled_for",
    "expires_at",
    "language",
    "user_id",
    "audience",
)


class Digested(Protocol):
    """A row that stores the digests of the body it was made from.

    Attributes:
        body_digest: SHA-256 in a form of the releases without form numbers.
        canonical_digest: SHA-256 in the form ``digest_form``; null in a row without a number.
        digest_form: The number of the form.
    """

    pk: Any
    body_digest: bytes
    canonical_digest: bytes | None
    digest_form: int | None


Form = Callable[[], bytes]

_encoder = msgspec.json.Encoder(order="deterministic")
# Sorts the fields of structs as well, and not only the keys of dicts.
_sorting_encoder = msgspec.json.Encoder(order="sorted")


def is_repeat(stored: Digested, *, present: Form, older: Iterable[Form]) -> bool:
    """Return whether a body is the one that a row was made from.

    A row with an unknown form was stored by a newer release and cannot be compared. It counts as a
    repetition, because a refusal would fail a caller that correctly repeats its call.

    Args:
        stored: The row that holds the key.
        present: Digests the body in the current form.
        older: Digest it in each form of the releases without form numbers.
    """
    if stored.digest_form is None:
        kept = bytes(stored.body_digest)
        return any(form() == kept for form in older)
    if stored.digest_form == PRESENT_FORM and stored.canonical_digest is not None:
        return bytes(stored.canonical_digest) == present()
    log.warning(
        "a body cannot be compared with the one before and is taken as its repeat",
        row_id=str(stored.pk),
        digest_form=stored.digest_form,
    )
    return True


def repeats(stored: Digested, body: Terms) -> bool:
    """Return whether a request is the one that a row was made from.

    Raises:
        Problem: 400 for a time that cannot be converted to UTC.
    """
    return is_repeat(
        stored,
        present=lambda: body_digest(body),
        older=(lambda: second_form(body), lambda: first_form(body)),
    )


def body_digest(body: Terms) -> bytes:
    """Digest a request in the current form, the third.

    The digest covers only the meaning of the request. It does not depend on the order of fields
    and keys, on whether a field is omitted or given with its default, on the zone of a time, or on
    whether a number is written ``1`` or ``1.0``. The idempotency key is not included.

    Raises:
        Problem: 400 for a time that cannot be converted to UTC.
    """
    return _sha256(_given_fields(with_utc_times(body)))


def rows_digest(rows: Sequence[Any]) -> bytes:
    """Digest the rows of a bulk call in the current form. The rows' own keys are included.

    Args:
        rows: The requests. A row that is not a valid request is given as its JSON value, or as its
            bytes if it is not JSON.
    """
    return _sha256([_given_row_fields(row) for row in rows])


def first_form(body: Terms) -> bytes:
    """Digest a request as the first release did."""
    return _in_order(body, FIRST_ORDER)


def second_form(body: Terms) -> bytes:
    """Digest a request as the second release did: the recipient fields are at the end."""
    return _in_order(body, SECOND_ORDER)


def _given_fields(body: Terms) -> dict[str, Any]:
    """Return the fields that differ from the defaults, without the idempotency key."""
    return {
        name: _plain(value)
        for name, default in _defaults(type(body))
        if (value := getattr(body, name)) != default
    }


def _given_row_fields(row: Any) -> dict[str, Any]:
    if isinstance(row, bytes):
        return {"bytes": row.hex()}
    if not isinstance(row, SendRequest):
        return {"json": _plain(row)}
    try:
        said = _given_fields(with_utc_times(row))
    except Problem:
        # This row is rejected because of its time, but the call continues.
        said = _given_fields(row)
    return {"said": said, "request_id": row.request_id}


@cache
def _defaults(kind: type[Terms]) -> tuple[tuple[str, Any], ...]:
    """Return the digested fields, each with the default value that is left out of the digest.

    For the fields of ``Terms``, the default is always that of a single request, even if a bulk
    request has another one. A single request and a bulk row with the same key are then equal only
    if they mean the same.
    """
    found: dict[str, Any] = {}
    for owner in (kind, Terms):
        for field in msgspec.structs.fields(owner):
            made = field.default_factory
            found[field.name] = field.default if made is NODEFAULT else made()
    del found["request_id"]
    return tuple(found.items())


def _plain(value: Any) -> Any:
    """Write whole numbers without a fraction: JSON does not distinguish ``1`` and ``1.0``."""
    kind = type(value)
    if kind is float:
        return int(value) if value.is_integer() else value
    if kind is dict:
        return {key: _plain(inner) for key, inner in value.items()}
    if kind is list:
        return [_plain(inner) for inner in value]
    return value


def _in_order(body: Terms, order: tuple[str, ...]) -> bytes:
    """Digest all fields in a fixed order, defaults included, the key as null."""
    # The earlier releases digested the times of a broadcast unchanged.
    if not isinstance(body, BroadcastRequest):
        body = with_utc_times(body)
    if body.request_id is not None:
        body = msgspec.structs.replace(body, request_id=None)
    members, later = _members(type(body), order)
    written = [name + _encoder.encode(getattr(body, attribute)) for name, attribute in members]
    # If a field of a later release is set, no earlier release can have stored the same body.
    written += [
        name + _encoder.encode(value)
        for name, attribute, default in later
        if (value := getattr(body, attribute)) != default
    ]
    return hashlib.sha256(b"{" + b",".join(written) + b"}").digest()


@cache
def _members(
    kind: type[Terms], order: tuple[str, ...]
) -> tuple[list[tuple[bytes, str]], list[tuple[bytes, str, Any]]]:
    """Return the encoded names of the fields in the order, and of the fields missing from it."""
    known = [(_written_name(name), name) for name in order if name in kind.__struct_fields__]
    later = [
        (_written_name(name), name, default)
        for name, default in _defaults(kind)
        if name not in order
    ]
    return known, later


def _written_name(name: str) -> bytes:
    return msgspec.json.encode(name) + b":"


def _sha256(value: Any) -> bytes:
    return hashlib.sha256(_sorting_encoder.encode(value)).digest()
