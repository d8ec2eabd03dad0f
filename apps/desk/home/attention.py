"""What needs somebody's attention now, the worst first, each with the page where it is mended."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse

from apps.desk.home.numbers import Bucket
from apps.notifications.flow_control.breakers import Forced, State
from apps.notifications.flow_control.control import ProviderState
from apps.notifications.lifecycle.reasons import explained
from apps.notifications.lifecycle.states import LetterState, Status
from apps.notifications.models import (
    Batch,
    BatchState,
    DeadLetter,
    Heartbeat,
    Notice,
    Notification,
)
from apps.notifications.notices import conditions, sources
from apps.notifications.notices.conditions import WORDINGS, Condition, Key, Observation
from apps.notifications.operations import heartbeat
from apps.notifications.operations.overdue import Oldest

# The newest open dead letters that are counted by reason.
LETTERS_COUNTED = 10_000
# The rows that are due next, among which the oldest is looked for.
DUE_LOOKED_AT = 200
BATCHES_SHOWN = 3
LATE = timedelta(minutes=5)
SUCCESS_LEAST = 0.9
TRIED_LEAST = 20
# The roles of processes that have the scheduler; the embedded mode has all in one.
SCHEDULERS = frozenset({"scheduler", "embedded"})


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing that needs attention.

    Attributes:
        said: What is wrong, as a sentence.
        link: Where to go.
        word: What the link says.
        is_bad: Whether messages are not sent because of it.
        told_at: When operators were told about it; None if they were not.
    """

    said: str
    link: str
    word: str
    is_bad: bool = True
    told_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What is looked at.

    Attributes:
        providers: The configured providers.
        processes: The living processes.
        depths: The messages in each queue; None if the broker does not answer.
        letters: The open dead letters by reason.
        oldest: When the oldest waiting message was accepted; None if none waits.
        last: The numbers of the last hour or so.
        observed: The conditions of which operators are told, without those of providers.
        notices: The notices that are not over.
    """

    providers: Sequence[ProviderState]
    processes: Sequence[Heartbeat]
    depths: Mapping[str, int | None]
    letters: Mapping[str, int]
    oldest: datetime | None
    last: Bucket
    observed: Sequence[Observation] = ()
    notices: Sequence[Notice] = ()


def items(situation: Situation, *, now: datetime) -> list[Item]:
    """Return what needs attention."""
    found = [
        *_providers(situation),
        *_conditions(situation),
        *_processes(situation),
        *_letters(situation.letters),
        *_batches(),
        *_speed(situation, now),
    ]
    return sorted(found, key=lambda item: not item.is_bad)


def _providers(situation: Situation) -> Iterator[Item]:
    link = reverse("providers")
    told = _told(situation)
    for provider in situation.providers:
        for breaker in provider.breakers:
            if breaker.forced is not Forced.AUTO:
                said = f"The breaker of {breaker.name} is forced {breaker.forced.value} by hand."
                yield Item(said=said, link=link, word="Providers")
            elif breaker.state is not State.CLOSED:
                said = conditions.breaker_said(
                    breaker.name, state=_word(breaker.state), reason=breaker.reason
                )
                told_at = told.get((Condition.BREAKER_OPEN.value, breaker.name))
                yield Item(said=said, link=link, word="Providers", told_at=told_at)
        if provider.limit.slowed:
            said = f"{provider.name} asked for fewer calls."
            yield Item(said=said, link=link, word="Providers", is_bad=False)


def _conditions(situation: Situation) -> Iterator[Item]:
    """Yield what operators are told, in the same words, and what they were told and is not over."""
    told = _told(situation)
    shown = {
        (Condition.BREAKER_OPEN.value, breaker.name)
        for provider in situation.providers
        for breaker in provider.breakers
        if breaker.state is not State.CLOSED
    }
    for each in situation.observed:
        if each.is_raised or each.key in told:
            shown.add(each.key)
            yield _item(each.key, each.facts, told.get(each.key))
    for notice in situation.notices:
        # What is gone for now is over after a few minutes. Conditions of a newer release have no
        # words here.
        if notice.key not in shown and notice.clear_since is None and notice.condition in WORDINGS:
            yield _item(notice.key, notice.facts, notice.raised_at)


def _item(key: Key, facts: conditions.Facts, told_at: datetime | None) -> Item:
    wording = WORDINGS[key[0]]
    said = conditions.said(*key, facts)
    return Item(said=said, link=wording.page, word=wording.page_word, told_at=told_at)


def _told(situation: Situation) -> dict[Key, datetime]:
    return {notice.key: notice.raised_at for notice in situation.notices}


def _word(state: State) -> str:
    return "being tried again" if state is State.HALF_OPEN else state.value


def _processes(situation: Situation) -> Iterator[Item]:
    link = reverse("desk:processes")
    if any(depth is None for depth in situation.depths.values()):
        said = "The broker does not answer. Accepted messages are kept and sent later."
        yield Item(said=said, link=link, word="Processes")
    unserved = heartbeat.unserved(situation.processes)
    if unserved:
        said = f"No worker serves {', '.join(unserved)}."
        yield Item(said=said, link=link, word="Processes")
    if not any(process.role in SCHEDULERS for process in situation.processes):
        said = "No scheduler runs: what is planned is not sent, and what is lost is not found."
        yield Item(said=said, link=link, word="Processes")


def _letters(letters: Mapping[str, int]) -> Iterator[Item]:
    total = sum(letters.values())
    if not total:
        return
    reason, _ = max(letters.items(), key=lambda pair: pair[1])
    more = " or more" if total >= LETTERS_COUNTED else ""
    yield Item(
        said=f"{total:,}{more} failed for good and wait for a decision. Most of them: "
        f"{explained(reason).sentence}",
        link=reverse("desk:letters"),
        word="Dead letters",
        is_bad=False,
    )


def _batches() -> Iterator[Item]:
    running = Batch.objects.filter(state=BatchState.RUNNING, next_at__isnull=False)
    for batch in running.filter(failures__gt=0).order_by("next_at")[:BATCHES_SHOWN]:
        why = batch.last_error or "see the log of the scheduler"
        yield Item(
            said=f"A batch of {batch.client} failed {batch.failures} times in a row: {why}.",
            link=reverse("desk:batch", args=[batch.pk]),
            word="Batch",
        )


def _speed(situation: Situation, now: datetime) -> Iterator[Item]:
    messages = reverse("desk:messages")
    if situation.oldest is not None and now - situation.oldest > LATE:
        minutes = (now - situation.oldest) // timedelta(minutes=1)
        yield Item(
            said=f"A message has waited for {minutes:,} minutes.",
            link=f"{messages}?status={Status.RETRYING.value}",
            word="Messages",
            is_bad=False,
        )
    success, tried = situation.last.success, situation.last.good + situation.last.bad
    if success is not None and tried >= TRIED_LEAST and success < SUCCESS_LEAST:
        yield Item(
            said=f"Only {success:.0%} of the latest messages went out.",
            link=f"{messages}?status={Status.FAILED.value}&period=hour",
            word="Messages",
        )


def open_letters() -> dict[str, int]:
    """Count the open dead letters by reason, the newest ``LETTERS_COUNTED`` of them."""
    newest = DeadLetter.objects.filter(state=LetterState.OPEN).order_by("-pk")
    found = Counter(newest.values_list("reason", flat=True)[:LETTERS_COUNTED])
    return dict(found.most_common())


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What waits.

    Attributes:
        oldest: When the oldest message that waits for a worker was accepted; None without one.
        overdue: The message that is overdue for the longest time; None without one.
    """

    oldest: datetime | None
    overdue: Oldest | None


def waiting(now: datetime) -> Waiting:
    """Read the messages that are due next, which an index finds, with one statement."""
    wait = {Status.PENDING, Status.SENDING, Status.RETRYING}
    due = Notification.objects.filter(wake_at__isnull=False).order_by("wake_at")
    rows = list(due.values_list("status", "created_at", "wake_at")[:DUE_LOOKED_AT])
    since = next((wake_at for _, _, wake_at in rows if wake_at is not None), now)
    return Waiting(
        oldest=min((created for status, created, _ in rows if status in wait), default=None),
        overdue=Oldest(since, (now - since).total_seconds()) if since < now else None,
    )


def observed(overdue: Oldest | None, *, now: datetime) -> list[Observation]:
    """Return the conditions of which operators are told, without those of providers.

    Args:
        overdue: The message that is overdue for the longest time.
        now: The current time, UTC.
    """
    others = sources.observed(now=now, without=[sources.BREAKERS, sources.OVERDUE])
    return [*sources.of_oldest(overdue), *others.observations]


def open_notices() -> list[Notice]:
    """Return the notices that operators were given and that are not over."""
    return list(Notice.objects.filter(over_at=None).order_by("pk"))
