"""The log of one webhook: its deliveries, newest first, with their attempts in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.common.ids import time_of
from apps.common.keyset import Page, Source, read_page
from apps.desk.paging import counted, position_of
from apps.desk.webhooks import words
from apps.desk.webhooks.words import Attempt
from apps.webhooks.models import Delivery, DeliveryState, Endpoint

# An answer is up to 1 kB, and a delivery has up to 50.
PAGE_SIZE = 25
# The newest attempts of each delivery that the log shows; the page of the delivery shows all.
ATTEMPTS_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Line:
    """One delivery in words.

    Attributes:
        delivery: The delivery.
        event: What it tells of, in short.
        ending: What became of it, in one sentence.
        next_at: When it is tried; None if it has ended or is being sent.
        attempts: Its newest attempts, newest first.
        more: How many older attempts there are.
    """

    delivery: Delivery
    event: str
    ending: str
    next_at: datetime | None
    attempts: Sequence[Attempt]
    more: int


@dataclass(frozen=True, kw_only=True)
class Log:
    """A page of the log.

    Attributes:
        lines: The deliveries.
        counted: How many there are, in words.
        page: The ids of the page, and where the pages beside it begin.
        searched_to: How far back the page has searched, if it could not be filled.
    """

    lines: Sequence[Line]
    counted: str
    page: Page
    searched_to: datetime | None


def read(endpoint: Endpoint, given: Mapping[str, str]) -> Log:
    """Read a page of the log of an endpoint.

    Args:
        endpoint: The endpoint.
        given: The filters by name, as in the address: ``state`` and ``page``. A state that is none
            finds nothing.
    """
    source = _source(endpoint, given.get("state", ""))
    page = read_page([source], position_of(given), size=PAGE_SIZE)
    found = Delivery.objects.in_bulk(page.ids)
    return Log(
        lines=[line_of(found[pk], most=ATTEMPTS_SHOWN) for pk in page.ids if pk in found],
        counted=counted(page, [source], one="delivery", several="deliveries"),
        page=page,
        searched_to=time_of(page.searched_to) if page.searched_to is not None else None,
    )


def line_of(delivery: Delivery, *, most: int | None = None) -> Line:
    """Return a delivery in words.

    Args:
        delivery: The delivery.
        most: How many of its attempts to show; None for all.
    """
    attempts = words.attempts_of(delivery)
    waits = delivery.state == DeliveryState.PENDING and delivery.claim_id is None
    shown = attempts[:most]
    return Line(
        delivery=delivery,
        event=words.event_words(delivery.event),
        ending=words.ending(delivery),
        next_at=delivery.wake_at if waits else None,
        attempts=shown,
        more=len(attempts) - len(shown),
    )


def _source(endpoint: Endpoint, state: str) -> Source:
    """Return the deliveries in a state.

    Of those that were taken there is no index, as most are. PostgreSQL may then read the rows of
    other webhooks between the 10,000 that a page searches.
    """
    rows = Delivery.objects.filter(endpoint_id=endpoint.pk)
    if not state:
        return Source(rows)
    if state not in set(DeliveryState):
        return Source(rows.none())
    return Source(rows.filter(state=state), rows if state == DeliveryState.DELIVERED else None)
