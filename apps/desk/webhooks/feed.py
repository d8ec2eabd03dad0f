"""The list of webhooks, newest first: who is told what, and whether they take it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import OuterRef, Q, Subquery

from apps.common.callers import Kind
from apps.common.keyset import Page, Source, read_page
from apps.desk.paging import counted, position_of
from apps.desk.webhooks import words
from apps.desk.webhooks.standing import CONDITIONS, State, state_of, why_disabled
from apps.desk.webhooks.words import Attempt
from apps.webhooks.models import Delivery, Endpoint

PAGE_SIZE = 50
# The newest deliveries of an endpoint among which its last attempt is looked for. Each is one look
# into the index, so the page costs the same however long the logs are.
LOOKED_AT = 5


@dataclass(frozen=True, kw_only=True)
class Line:
    """One webhook in the list.

    Attributes:
        endpoint: The webhook.
        host: The host of its URL.
        events: What it gets, in short.
        state: How it stands.
        why: Why it is disabled; empty if it is not.
        last: The last attempt that is known; None if none of the newest events was tried yet.
    """

    endpoint: Endpoint
    host: str
    events: str
    state: State
    why: str
    last: Attempt | None


@dataclass(frozen=True, kw_only=True)
class Feed:
    """A page of the list: its lines, how many there are in words, and the pages beside it."""

    lines: Sequence[Line]
    counted: str
    page: Page


def read(given: Mapping[str, str]) -> Feed:
    """Read a page.

    Args:
        given: The filters by name, as in the address: ``client``, ``kind``, ``state`` and ``page``.
            Values that are none of a filter's find nothing.
    """
    sources = _sources(given)
    page = read_page(sources, position_of(given), size=PAGE_SIZE)
    return Feed(
        lines=_lines(page.ids),
        counted=counted(page, sources, one="webhook", several="webhooks"),
        page=page,
    )


def _sources(given: Mapping[str, str]) -> list[Source]:
    """Return the webhooks by the client for each kind, which have an index, or else all."""
    rows = Endpoint.objects.filter(deleted_at=None)
    if state := given.get("state"):
        rows = rows.filter(CONDITIONS[state]) if state in CONDITIONS else rows.none()
    kinds = [given["kind"]] if given.get("kind") else list(Kind)
    if client := given.get("client"):
        leads = [Q(client=client, kind=kind) for kind in kinds]
    else:
        leads = [Q(kind=given["kind"]) if given.get("kind") else Q()]
    return [Source(rows.filter(lead), Endpoint.objects.filter(lead)) for lead in leads]


def _lines(ids: Sequence[UUID]) -> list[Line]:
    endpoints = Endpoint.objects.in_bulk(ids)
    in_order = [endpoints[pk] for pk in ids if pk in endpoints]
    last = last_attempts(in_order)
    return [
        Line(
            endpoint=endpoint,
            host=words.host_of(endpoint),
            events=words.events_in_short(endpoint.events),
            state=state_of(endpoint),
            why=why_disabled(endpoint),
            last=last.get(endpoint.pk),
        )
        for endpoint in in_order
    ]


def last_attempts(endpoints: Sequence[Endpoint]) -> dict[UUID, Attempt]:
    """Return the last attempt of each endpoint, with two statements for all of them.

    It is looked for among the newest deliveries, and in the one that waits for the longest. Where
    thousands wait for an endpoint that fails, it may have been called for one between them since.
    """
    of_one = Delivery.objects.filter(endpoint_id=OuterRef("pk"))
    newest = of_one.order_by("-pk").values("pk")
    latest = of_one.filter(wake_at__isnull=False).order_by("-wake_at").values("pk")
    looks = {f"look_{n}": Subquery(newest[n : n + 1]) for n in range(LOOKED_AT)}
    looks["look_latest"] = Subquery(latest[:1])
    rows = Endpoint.objects.filter(pk__in=[each.pk for each in endpoints]).annotate(**looks)
    ids = {pk for row in rows.values_list(*looks) for pk in row if pk is not None}
    found: dict[UUID, Attempt] = {}
    for delivery in Delivery.objects.filter(pk__in=ids):
        for attempt in words.attempts_of(delivery)[:1]:
            known = found.get(delivery.endpoint_id)
            if known is None or known.at < attempt.at:
                found[delivery.endpoint_id] = attempt
    return found
