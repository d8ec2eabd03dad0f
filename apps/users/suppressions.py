"""The suppression list: addresses that get no more mail from any client."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connections, router, transaction
from django.utils import timezone

from apps.common.account_events import AccountEvent, AccountEventType, tell
from apps.common.postgresql.one_of import OneOf
from apps.common.times import in_zulu
from apps.users.addresses import address_hash, address_key
from apps.users.models import Suppression, User
from apps.users.models.suppression import NOTE_MAX_LENGTH, in_effect

# What is written, in this order.
COLUMNS = ("address_hash", "address", "reason", "source", "note", "expires_at", "created_at")
# An entry that is to last longer replaces one that ends. All others are kept as they are, so that
# the first reason stays.
REPLACED = tuple(name for name in COLUMNS if name != "address_hash")
# SQLite takes 999 values in one statement.
ROWS_PER_STATEMENT = 100


@dataclass(frozen=True, kw_only=True)
class NewSuppression:
    """What is put on the list.

    Attributes:
        address_hash: The ``address_hash`` of the address.
        address: The address, to show it to staff; empty if it may belong to somebody else by now.
        reason: A ``SuppressionReason``.
        source: Who says so.
        note: What a person wrote about it.
        expires_at: After this it has no effect; None: it stays.
        user_id: Who has the address, if that is known.
    """

    address_hash: str
    reason: str
    address: str = ""
    source: str = ""
    note: str = ""
    expires_at: datetime | None = None
    user_id: UUID | None = None


def add(entries: Iterable[NewSuppression]) -> int:
    """Put addresses on the list, and return how many entries are new or last longer now.

    One statement inserts up to 100 of them in the order of the hashes, so that two concurrent calls
    with the same addresses cannot deadlock. The first entry of an address counts.
    """
    now = timezone.now()
    by_hash: dict[str, NewSuppression] = {}
    for entry in entries:
        by_hash.setdefault(entry.address_hash, entry)
    hashes = sorted(by_hash)
    with transaction.atomic(savepoint=False):
        slices = range(0, len(hashes), ROWS_PER_STATEMENT)
        return sum(
            _add_slice([by_hash[one] for one in hashes[start : start + ROWS_PER_STATEMENT]], now)
            for start in slices
        )


def _add_slice(entries: Sequence[NewSuppression], now: datetime) -> int:
    changed = _insert([_values(entry, now) for entry in entries])
    if changed:
        told = [entry for entry in entries if entry.address_hash in changed]
        tell(AccountEventType.ADDRESS_SUPPRESSED, lambda: _events(told, now))
    return len(changed)


def _events(entries: Sequence[NewSuppression], now: datetime) -> Iterator[AccountEvent]:
    """Yield what client applications are told: who it is, but not the address."""
    owners = _owners([entry.address for entry in entries if entry.address])
    for entry in entries:
        yield AccountEvent(
            type=AccountEventType.ADDRESS_SUPPRESSED,
            at=now,
            user_id=entry.user_id or owners.get(entry.address_hash),
            data={
                "address_hash": entry.address_hash,
                "reason": entry.reason,
                "source": entry.source,
                "expires_at": in_zulu(entry.expires_at) if entry.expires_at else None,
            },
        )


def _owners(emails: Collection[str]) -> dict[str, UUID]:
    """Return the users who have the addresses, by the hashes of these, with one query."""
    keys = {address_key(email) for email in emails}
    users = User.objects.filter(email_key__in=keys).exclude(email=None)
    found = users.values_list("pk", "email") if keys else ()
    return {address_hash(email): pk for pk, email in found if email}


def _values(entry: NewSuppression, now: datetime) -> tuple[object, ...]:
    return (
        entry.address_hash,
        entry.address.strip()[:254],
        entry.reason[:64],
        entry.source[:150],
        entry.note[:NOTE_MAX_LENGTH],
        entry.expires_at,
        now,
    )


def _insert(rows: list[tuple[object, ...]]) -> set[str]:
    """Insert rows, and return the hashes of those that are new or last longer now.

    Django's ``update_conflicts`` cannot keep those that last longer.
    """
    connection = connections[router.db_for_write(Suppression)]
    table = Suppression._meta.db_table
    fields: list[Any] = [Suppression._meta.get_field(name) for name in COLUMNS]
    places = ", ".join(["%s"] * len(COLUMNS))
    changes = ", ".join(f"{name} = excluded.{name}" for name in REPLACED)
    statement = (
        f"INSERT INTO {table} ({', '.join(COLUMNS)}) "  # noqa: S608 - only our own names.
        f"VALUES {', '.join([f'({places})'] * len(rows))} "
        f"ON CONFLICT (address_hash) DO UPDATE SET {changes} "
        f"WHERE {table}.expires_at IS NOT NULL "
        f"AND (excluded.expires_at IS NULL OR excluded.expires_at > {table}.expires_at) "
        "RETURNING address_hash"
    )
    values = [
        field.get_db_prep_save(value, connection)
        for row in rows
        for field, value in zip(fields, row, strict=True)
    ]
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return {hashed for (hashed,) in cursor.fetchall()}


def suppress_all(reasons: Mapping[str, str], *, source: str = "") -> None:
    """Add addresses to the list, each with its reason.

    Args:
        reasons: The reason by address.
        source: Who says so.
    """
    add(
        NewSuppression(
            address_hash=address_hash(email), address=email, reason=reason, source=source
        )
        for email, reason in reasons.items()
    )


def shown_addresses(hashes: Mapping[str, UUID]) -> dict[str, str]:
    """Return the addresses that users still have by their hashes, with one query.

    Args:
        hashes: Who had the address, by its hash.
    """
    if not hashes:
        return {}
    users = User.objects.filter(OneOf("pk", set(hashes.values())))
    emails = (one for both in users.values_list("email", "pending_email") for one in both if one)
    by_hash = {address_hash(email): email for email in emails}
    return {hashed: by_hash[hashed] for hashed in hashes if hashed in by_hash}


def suppressed_hashes(emails: Collection[str]) -> set[str]:
    """Return the hashes of the addresses that are on the list now, with one query."""
    hashes = {address_hash(email) for email in emails}
    found = Suppression.objects.filter(in_effect(timezone.now()), address_hash__in=hashes)
    return set(found.values_list("address_hash", flat=True))
