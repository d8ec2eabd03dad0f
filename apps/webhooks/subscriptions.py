"""Which endpoints get which events, read from the database at most twice a second.

Every change of the pipeline asks this, and must not pay a statement for it. A change of an endpoint
is answered when every process must have read it, so that no event after the answer is missed.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from uuid import UUID

from django.conf import settings

from apps.common.ttl_cache import TtlCache
from apps.webhooks import event_types
from apps.webhooks.models import Endpoint

SECONDS = 0.5
# Longer than that, because a value is remembered from the end of its query, which sees what was
# there at its beginning.
WAIT_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """What an endpoint gets."""

    endpoint_id: UUID
    events: frozenset[str]


_Known = Mapping[tuple[str, str], Sequence[Subscription]]
ALL = "all"
_cache: TtlCache[str, _Known] = TtlCache(seconds=SECONDS, size=1)
# How often ``forget`` was called, so that no thread remembers what it has read before that.
_forgotten = count()
_generation = next(_forgotten)


def any_for_notifications() -> bool:
    """Return whether any endpoint gets events at all."""
    return bool(_known())


def of(client: str, kind: str, event: str) -> Iterator[UUID]:
    """Yield the endpoints of a client that get an event."""
    for each in _known().get((client, kind), ()):
        if event_types.matches(event, subscribed=each.events):
            yield each.endpoint_id


def of_all_clients(kind: str, event: str) -> Iterator[tuple[str, UUID]]:
    """Yield the endpoints of every client that get an event, each with its client."""
    for (client, its_kind), subscribed in _known().items():
        if its_kind == kind:
            for each in subscribed:
                if event_types.matches(event, subscribed=each.events):
                    yield client, each.endpoint_id


def forget() -> None:
    """Read the endpoints again at the next question."""
    global _generation  # noqa: PLW0603 - as the cache, it belongs to the process.
    _generation = next(_forgotten)
    _cache.clear()


def wait_until_known() -> None:
    """Return when every process knows what was committed before.

    In the embedded mode there is one process.
    """
    forget()
    if not settings.EMBEDDED:
        time.sleep(WAIT_SECONDS)


def _known() -> _Known:
    known = _cache.get(ALL)
    if known is None:
        generation = _generation
        known = _read()
        if generation == _generation:
            _cache.put(ALL, known)
    return known


def _read() -> _Known:
    found: defaultdict[tuple[str, str], list[Subscription]] = defaultdict(list)
    rows = Endpoint.objects.filter(enabled=True).order_by("pk")
    for pk, client, kind, events in rows.values_list("pk", "client", "kind", "events"):
        found[client, kind].append(Subscription(endpoint_id=pk, events=frozenset(events)))
    return dict(found)
