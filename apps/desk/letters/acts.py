"""What staff can do with dead letters: replay them, or discard them with a reason."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest

from apps.common.rest.problems import Problem
from apps.desk import audit
from apps.desk.results import Result
from apps.notifications.dead_letters import replay_one, resend
from apps.notifications.lifecycle.states import LetterState
from apps.notifications.models import DeadLetter

CHANGE = "notifications.change_deadletter"
# The most letters that one question is about: those of a page. For more there is "Replay many".
AT_ONCE = 50
NOTE_MAX_LENGTH = 500
REPLAY, DISCARD = "replay", "discard"


@dataclass(frozen=True, kw_only=True)
class Act:
    """One thing that can be done.

    Attributes:
        name: Its name in addresses.
        word: What the button says.
        done: The past participle, for the result.
        trail: The act in the audit trail.
        asks: What the question says besides the number.
        needs_reason: Whether a reason has to be given.
    """

    name: str
    word: str
    done: str
    trail: str
    asks: str
    needs_reason: bool = False


ACTS: Mapping[str, Act] = {
    act.name: act
    for act in (
        Act(
            name=REPLAY,
            word="Replay",
            done="replayed",
            trail="replayed",
            asks="Each is sent once more at once, as a new message with the same content, to the "
            "addresses that the recipient has now. A new message can be cancelled as long as it "
            "waits.",
        ),
        Act(
            name=DISCARD,
            word="Discard",
            done="discarded",
            trail="discarded",
            asks="Nothing is sent, and nobody is asked about it again. This cannot be undone.",
            needs_reason=True,
        ),
    )
}


def possible(letter: DeadLetter) -> bool:
    """Return whether something can be done with a letter now: only with an open one."""
    return letter.state == LetterState.OPEN


def may_have_arrived(letters: Iterable[DeadLetter]) -> int:
    """Return how many of the letters may have arrived, so that a replay may be a second copy."""
    rows = [letter.notification for letter in letters if letter.notification is not None]
    return len(resend.that_may_have_arrived(rows))


def do(request: HttpRequest, act: Act, letters: Sequence[DeadLetter], *, note: str) -> Result:
    """Do an act to each letter, and add what was done to the audit trail.

    The question has said how many may have arrived, so these are replayed as well.

    Args:
        request: The request of the member of staff.
        act: The act.
        letters: The letters. Each is checked independently.
        note: The reason; a discarded letter needs one.
    """
    result = Result()
    for letter in letters:
        try:
            with transaction.atomic():
                made = _run(request, act, letter, note)
        except Problem as problem:
            result.refused[str(problem.detail)] += 1
            continue
        result.done.append(letter.pk)
        if made is not None:
            result.made.append(made)
    return result


def _run(request: HttpRequest, act: Act, letter: DeadLetter, note: str) -> UUID | None:
    by, made = audit.actor_of(request), None
    if act.name == DISCARD:
        replay_one.discard(letter.pk, by=by, reason=note)
    else:
        done = replay_one.replay(letter.pk, by=by, note=note, may_have_arrived=True)
        made = done.replayed_as
    parts: list[Any] = [f"as {made}" if made is not None else "", note]
    audit.record(
        request,
        act.trail,
        object_type="dead letter",
        object_id=letter.pk,
        detail=": ".join(filter(None, parts)),
    )
    return made
