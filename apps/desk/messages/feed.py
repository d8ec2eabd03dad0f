"""The feed of messages: who got what, newest first, by the index of its filters."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from apps.common.callers import Kind
from apps.common.ids import as_uuid, time_of
from apps.common.keyset import Page, Source, read_page
from apps.desk.messages.content import contacts_and_headlines
from apps.desk.paging import counted, position_of
from apps.notifications import search
from apps.notifications.lifecycle.reasons import STATUSES
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Attempt, Notification
from apps.users.contacts import Contact, find_users

PAGE_SIZE = 50
# What can be chosen as the time, and how far back it goes.
PERIODS: Mapping[str, timedelta] = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
}
# Filters in the address that are compared as texts.
TEXTS = ("status", "channel", "kind", "template_code", "client")
IDS = ("user_id", "batch_id")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One message in the feed.

    Attributes:
        row: The message.
        person: Its recipient; None if the account was erased.
        headline: Its subject or title; empty if the viewer may not read it, or if it is not kept.
        provider: Who was called last; empty before the first attempt.
    """

    row: Notification
    person: Contact | None
    headline: str
    provider: str


@dataclass(frozen=True, kw_only=True)
class Feed:
    """A page of the feed.

    Attributes:
        lines: The messages.
        counted: How many there are, in words.
        note: What the viewer should know about the search; empty if nothing.
        page: The ids of the page, and where the pages beside it begin.
        searched_to: How far back the page has searched, if it could not be filled.
    """

    lines: Sequence[Line]
    counted: str
    note: str
    page: Page
    searched_to: datetime | None


def read(
    given: Mapping[str, str], *, with_people: bool, with_content: bool, now: datetime | None = None
) -> Feed:
    """Read a page.

    Args:
        given: The filters by name, as in the address: ``q``, ``TEXTS``, ``IDS``, ``period``,
            ``page``. Values that are none of a filter's find nothing.
        with_people: Whether the viewer may see recipients, and search for them.
        with_content: Whether the viewer may see subjects and titles.
        now: The current time, UTC.
    """
    sources, note = _sources(given, with_people=with_people, now=now or timezone.now())
    page = read_page(sources, position_of(given), size=PAGE_SIZE)
    return Feed(
        lines=_lines(page.ids, with_people=with_people, with_content=with_content),
        counted=counted(
            page, sources if len(sources) == 1 else None, one="message", several="messages"
        ),
        note=note,
        page=page,
        searched_to=time_of(page.searched_to) if page.searched_to is not None else None,
    )


def of_meanings(
    meanings: Iterable[Q], *, most: int, with_people: bool, with_content: bool
) -> list[Line]:
    """Return the newest messages that any of the conditions finds, each by its own index."""
    ids = {
        pk
        for one in meanings
        for pk in Notification.objects.filter(one)
        .order_by("-pk")
        .values_list("pk", flat=True)[:most]
    }
    newest = sorted(ids, reverse=True)[:most]
    return _lines(newest, with_people=with_people, with_content=with_content)


def _lines(ids: Sequence[UUID], *, with_people: bool, with_content: bool) -> list[Line]:
    rows = {row.pk: row for row in Notification.objects.filter(pk__in=ids)}
    in_order = [rows[pk] for pk in ids if pk in rows]
    people, headlines = contacts_and_headlines(in_order, with_headlines=with_content)
    providers = last_providers(list(rows))
    return [
        Line(
            row=row,
            person=people.get(row.user_id) if with_people else None,
            headline=headlines.get(row.pk, ""),
            provider=providers.get(row.pk, ""),
        )
        for row in in_order
    ]


def last_providers(ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return the provider that was called last for each message, with one query."""
    calls = Attempt.objects.filter(notification_id__in=ids).order_by("pk")
    return dict(calls.values_list("notification_id", "provider"))


def _sources(
    given: Mapping[str, str], *, with_people: bool, now: datetime
) -> tuple[list[Source], str]:
    """Return what the page is read from, and a note about it."""
    conditions = _conditions(given, now)
    if conditions is None:
        return [Source(Notification.objects.none())], ""
    rows = Notification.objects.filter(*conditions.values())
    term = given.get("q", "").strip()
    if not term:
        if not conditions:
            return [Source(rows)], ""
        return [Source(rows, _indexed(given, conditions))], ""
    found = find_users(term) if with_people else None
    filtered = bool(conditions)
    sources = [
        Source(rows.filter(one), Notification.objects.filter(one) if filtered else None)
        for one in search.meanings(term)
    ]
    if found is None or not found.ids:
        return sources, ""
    note = (
        f"The term finds more than {len(found.ids):,} people; not all are searched."
        if found.more
        else ""
    )
    return [*sources, search.OfUsers(rows, found.ids, filtered=filtered)], note


def _conditions(given: Mapping[str, str], now: datetime) -> dict[str, Q] | None:
    """Return the condition of each filter; None if one of them can find nothing."""
    found: dict[str, Q] = {}
    for name in TEXTS:
        if value := given.get(name, ""):
            found[name] = Q(**{name: value})
    for name in IDS:
        if value := given.get(name, ""):
            identifier = as_uuid(value)
            if identifier is None:
                return None
            found[name] = search.condition(name, identifier)
    if period := PERIODS.get(given.get("period", "")):
        found["period"] = search.id_range(now - period, None)
    return found


def _indexed(given: Mapping[str, str], conditions: Mapping[str, Q]) -> Any:
    """Return the rows that are read for a filtered page: those of its best index."""
    values: dict[str, Any] = {name: as_uuid(given[name]) for name in IDS if given.get(name)}
    if status := given.get("status"):
        values["status"] = status
    lead = search.leading(values)
    if lead is None and given.get("client"):
        # The index of a client's list begins with both columns.
        kinds = [given["kind"]] if given.get("kind") else list(Kind)
        lead = Q(client=given["client"], kind__in=kinds)
    indexed = Notification.objects.filter(lead or Q())
    return indexed.filter(conditions["period"]) if "period" in conditions else indexed


def status_choices() -> list[tuple[str, str]]:
    """Return the statuses with their words, for a form."""
    return [(status.value, STATUSES[status]) for status in Status]
