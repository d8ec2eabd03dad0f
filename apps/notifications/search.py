"""Find notifications by indexes: which one a filter or a search term is read by."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet

from apps.common.ids import as_uuid, first_id_at, time_of
from apps.common.keyset import Position, Source
from apps.notifications.lifecycle.states import RARE
from apps.notifications.models import Attempt, Notification

# The filters that have an index, those first that find the fewest rows. A list is read by the first
# that is given; rare statuses have an index, too. Templates have none: with five million rows it
# took 30 µs of PostgreSQL for each notification, a quarter of all that a notification takes.
INDEXED = (
    "request_id",
    "provider_message_id",
    "correlation_id",
    "batch_id",
    "user_id",
    "status",
)
# The rows of a bulk call get their ids while it is answered, other rows have the batch's time.
BATCH_IDS = timedelta(minutes=10)
# Ids of batches are UUIDs of this version, which have a time.
BATCH_VERSION = 7
# The notifications that a page searches if a term has found several users. Each row may be of any
# of 1,000 users, so up to 200,000 entries of the index are read: 0.1 s.
USERS_ROWS = 200
# The newest rows of each user, merged. With "user_id IN" PostgreSQL reads all rows of these users,
# or the rows of all users.
NEWEST_OF_USERS = """
SELECT found.id
FROM unnest(%s::uuid[]) AS asked (user_id) CROSS JOIN LATERAL (
    SELECT id FROM notifications_notification AS row
    WHERE row.user_id = asked.user_id {condition} ORDER BY id {order} LIMIT %s
) AS found
ORDER BY found.id {order} LIMIT %s
"""


@dataclass(frozen=True, kw_only=True)
class Search:
    """A list of notifications.

    Attributes:
        rows: The rows that match all filters.
        indexed: The rows that are read for it, which an index finds. None if these are the same, or
            nearly.
    """

    rows: QuerySet[Notification]
    indexed: QuerySet[Notification] | None


def search(
    values: Mapping[str, Any], *, rows: QuerySet[Notification], newest: QuerySet[Notification]
) -> Search:
    """Filter a list.

    Times are converted to limits of the ids, which are UUIDv7, so that each index is used with
    them.

    Args:
        values: The filters by name: columns of the table, ``notification_type``,
            ``provider_message_id``, ``created_after`` and ``created_before``.
        rows: The rows to filter.
        newest: The rows that are read if no given filter has an index.
    """
    values = dict(values)
    times = id_range(values.pop("created_after", None), values.pop("created_before", None))
    if not values:
        return Search(rows=rows.filter(times), indexed=None)
    lead = leading(values)
    indexed = newest if lead is None else Notification.objects.filter(lead)
    for name, value in values.items():
        rows = rows.filter(condition(name, value))
    return Search(rows=rows.filter(times), indexed=indexed.filter(times))


def leading(values: Mapping[str, Any]) -> Q | None:
    """Return the condition whose index finds the fewest rows; None if no filter has an index."""
    for name in INDEXED:
        if name in values and (name != "status" or values[name] in RARE):
            return condition(name, values[name])
    return None


def id_range(begin: Any, end: Any) -> Q:
    """Return the range of ids that were created from one time, and before another one."""
    found = Q() if begin is None else Q(pk__gte=first_id_at(begin))
    return found if end is None else found & Q(pk__lt=first_id_at(end))


def condition(name: str, value: Any) -> Q:
    """Return the condition of one filter."""
    if name == "notification_type":
        return Q(channel=value)
    if name == "batch_id":
        # Without the range PostgreSQL may read all newer rows of the table, where it believes that
        # the rows of a big batch are spread over it.
        first, end = ids_of_batch(value)
        return Q(batch_id=value, pk__gte=first, pk__lt=end)
    if name == "provider_message_id":
        calls = Attempt.objects.filter(provider_message_id=value).order_by()
        # The index has no calls without such an id.
        return Q(pk__in=calls.exclude(provider_message_id="").values("notification_id"))
    return Q(**{name: value})


def ids_of_batch(batch_id: UUID) -> tuple[UUID, UUID]:
    """Return the range of the ids of a batch's notifications, which have its time."""
    began = time_of(batch_id)
    return first_id_at(began), first_id_at(began + BATCH_IDS)


def meanings(term: str) -> Iterator[Q]:
    """Return what a search term may be: a UUID is an id or a text, another term only a text.

    Each of them is read by its own index. One condition with OR over all of them would be read
    without any.
    """
    for name in ("request_id", "correlation_id", "provider_message_id"):
        yield condition(name, term)
    identifier = as_uuid(term)
    if identifier is None:
        return
    yield Q(pk=identifier)
    yield Q(user_id=identifier)
    if identifier.version == BATCH_VERSION:
        yield condition("batch_id", identifier)


class OfUsers(Source):
    """The notifications of some users, newest first.

    Args:
        rows: The rows that match all filters.
        users: The users, at most some 1,000.
        filtered: Whether there are other filters.
    """

    def __init__(
        self, rows: QuerySet[Notification], users: Sequence[UUID], *, filtered: bool
    ) -> None:
        super().__init__(rows)
        self._users, self._filtered = users, filtered

    def boundary(self, position: Position | None) -> Any:
        """Return where the search of a page ends; None if it reads all rows."""
        newer = position is not None and position.newer
        last = USERS_ROWS if newer else USERS_ROWS - 1
        ids = newest_of_users(self._users, position, last + 1) if self._filtered else []
        return ids[last] if len(ids) > last else None

    def ids(self, position: Position | None, boundary: Any, most: int) -> Sequence[Any]:
        """Return the ids of the first matching rows between the position and the boundary."""
        asked = USERS_ROWS + 1 if self._filtered else most
        ids = newest_of_users(self._users, position, asked)
        if boundary is not None:
            newer = position is not None and position.newer
            ids = [one for one in ids if (one < boundary if newer else one >= boundary)]
        return (
            ids
            if not self._filtered
            else Source(self.rows.filter(pk__in=ids)).ids(position, None, most)
        )

    def count(self) -> int | None:
        """Return None: the number is not known."""
        return None


def newest_of_users(users: Sequence[UUID], position: Position | None, most: int) -> list[UUID]:
    """Return the newest notifications of some users from a position on; or the next newer ones."""
    newer = position is not None and position.newer
    if connection.vendor != "postgresql":
        found = Notification.objects.filter(user_id__in=users)
        found = found.filter(**position.rest) if position is not None else found
        ordered = found.order_by("pk" if newer else "-pk")
        return list(ordered.values_list("pk", flat=True)[:most])
    compared = f"AND row.id {'>=' if newer else '<'} %s" if position is not None else ""
    statement = NEWEST_OF_USERS.format(condition=compared, order="ASC" if newer else "DESC")
    ids = [position.id] if position is not None else []
    with connection.cursor() as cursor:
        cursor.execute(statement, [list(users), *ids, most, most])
        return [row[0] for row in cursor.fetchall()]
