"""The list of dead letters, newest first, by the index of its filters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from apps.common.callers import Kind
from apps.common.ids import time_of
from apps.common.keyset import Page, Source, read_page
from apps.desk.messages.content import contacts_and_headlines
from apps.desk.paging import counted, position_of
from apps.notifications.lifecycle.states import LetterState
from apps.notifications.models import DeadLetter
from apps.users.contacts import Contact

PAGE_SIZE = 50
ALL = "all"
# Filters in the address that are compared as texts.
TEXTS = ("reason", "channel", "provider", "template_code")
# The newest letters whose values a filter offers. All values would be searched in the whole table.
ROWS_OFFERED = 2_000


@dataclass(frozen=True, kw_only=True)
class Line:
    """One dead letter in the list.

    Attributes:
        letter: The dead letter.
        person: The recipient; None if the account was erased, for a message of the queue that
            could not be read, or if the viewer may not see people.
        headline: The subject or title; empty if the viewer may not read it, or if it is not kept.
    """

    letter: DeadLetter
    person: Contact | None
    headline: str


@dataclass(frozen=True, kw_only=True)
class Feed:
    """A page of the list.

    Attributes:
        lines: The dead letters.
        counted: How many there are, in words.
        page: The ids of the page, and where the pages beside it begin.
        searched_to: How far back the page has searched, if it could not be filled.
    """

    lines: Sequence[Line]
    counted: str
    page: Page
    searched_to: datetime | None


def read(given: Mapping[str, str], *, with_people: bool, with_content: bool) -> Feed:
    """Read a page.

    Args:
        given: The filters by name, as in the address: ``state`` (by default ``open``), ``TEXTS``
            and ``page``. Values that are none of a filter's find nothing.
        with_people: Whether the viewer may see recipients.
        with_content: Whether the viewer may see subjects and titles.
    """
    sources = _sources(given)
    page = read_page(sources, position_of(given), size=PAGE_SIZE)
    return Feed(
        lines=_lines(page, with_people=with_people, with_content=with_content),
        counted=counted(page, sources, one="dead letter", several="dead letters"),
        page=page,
        searched_to=time_of(page.searched_to) if page.searched_to is not None else None,
    )


def offered(column: str) -> list[str]:
    """Return the values of a column that the newest letters have, for a form."""
    newest = DeadLetter.objects.order_by("-pk").values_list(column, flat=True)
    return sorted({value for value in newest[:ROWS_OFFERED] if value})


def _sources(given: Mapping[str, str]) -> list[Source]:
    """Return the letters by the reason, or else by the state for each kind: these have indexes."""
    state = given.get("state", LetterState.OPEN.value)
    texts = {name: value for name in TEXTS if (value := given.get(name))}
    reason = texts.pop("reason", None)
    in_state = Q() if state == ALL else Q(state=state)
    others = Q(**texts)
    if reason is not None:
        lead, others = [Q(reason=reason)], others & in_state
    elif state == ALL:
        lead = [Q()]
    else:
        lead = [Q(state=state, kind=kind) for kind in Kind]
    letters = DeadLetter.objects.all()
    return [
        Source(letters.filter(one & others), letters.filter(one) if others else None)
        for one in lead
    ]


def _lines(page: Page, *, with_people: bool, with_content: bool) -> list[Line]:
    found: QuerySet[DeadLetter] = DeadLetter.objects.filter(pk__in=page.ids)
    letters = {letter.pk: letter for letter in found.select_related("notification")}
    in_order = [letters[pk] for pk in page.ids if pk in letters]
    rows = [letter.notification for letter in in_order if letter.notification is not None]
    people, headlines = contacts_and_headlines(rows, with_headlines=with_content)
    return [
        Line(
            letter=letter,
            person=people.get(letter.notification.user_id)
            if with_people and letter.notification is not None
            else None,
            headline=headlines.get(letter.notification_id, "") if letter.notification_id else "",
        )
        for letter in in_order
    ]
