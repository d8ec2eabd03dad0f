"""The list of batches, newest first, by the index of its filters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from apps.common.callers import Kind
from apps.common.ids import time_of
from apps.common.keyset import Page, Source, read_page
from apps.desk.bars import Bar
from apps.desk.batches.progress_bars import bar_of, how_far
from apps.desk.paging import counted, position_of
from apps.notifications.batches import progress
from apps.notifications.models import Batch

PAGE_SIZE = 50
# Filters in the address that are compared as texts.
TEXTS = ("source", "state", "client", "kind")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One batch in the list: how far it is, as a bar and in words."""

    batch: Batch
    bar: Bar
    how_far: str


@dataclass(frozen=True, kw_only=True)
class Feed:
    """A page of the list.

    Attributes:
        lines: The batches.
        counted: How many there are, in words.
        page: The ids of the page, and where the pages beside it begin.
        searched_to: How far back the page has searched, if it could not be filled.
    """

    lines: Sequence[Line]
    counted: str
    page: Page
    searched_to: datetime | None


def read(given: Mapping[str, str]) -> Feed:
    """Read a page.

    Args:
        given: The filters by name, as in the address: ``TEXTS`` and ``page``. Values that are none
            of a filter's find nothing.
    """
    sources = _sources(given)
    page = read_page(sources, position_of(given), size=PAGE_SIZE)
    return Feed(
        lines=_lines(page),
        counted=counted(page, sources, one="batch", several="batches"),
        page=page,
        searched_to=time_of(page.searched_to) if page.searched_to is not None else None,
    )


def _sources(given: Mapping[str, str]) -> list[Source]:
    """Return the batches by the client for each kind, which have an index, or else all."""
    texts = {name: value for name in TEXTS if (value := given.get(name))}
    client = texts.pop("client", None)
    lead = [Q()]
    if client is not None:
        kind = texts.pop("kind", None)
        lead = [Q(client=client, kind=one) for one in ([kind] if kind else Kind)]
    batches = Batch.objects.all()
    return [
        Source(batches.filter(one, **texts), batches.filter(one) if texts else None) for one in lead
    ]


def _lines(page: Page) -> list[Line]:
    # The answer of a bulk call and the columns of a file may be large, and are not shown.
    found = Batch.objects.filter(pk__in=page.ids).defer("answer", "table", "terms")
    batches = {batch.pk: batch for batch in found}
    in_order = [batches[pk] for pk in page.ids if pk in batches]
    counted = progress.statuses_of_small(in_order)
    return [
        Line(batch=batch, bar=bar_of(batch, counted.get(batch.pk)), how_far=how_far(batch))
        for batch in in_order
    ]
