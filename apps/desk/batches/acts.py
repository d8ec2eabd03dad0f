"""What staff can do with a batch: pause it, go on with it, cancel it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest

from apps.desk import audit
from apps.notifications.batches import control
from apps.notifications.lifecycle.states import UNFINISHED
from apps.notifications.models import Batch, BatchState

CHANGE = "notifications.change_notification"


@dataclass(frozen=True, kw_only=True)
class Act:
    """One thing that can be done.

    Attributes:
        name: Its name in addresses.
        word: What the button says.
        done: The past participle, for the result.
        trail: The act in the audit trail.
        asks: What the question says besides the numbers.
        run: Does it; raises a ``Problem`` to refuse.
    """

    name: str
    word: str
    done: str
    trail: str
    asks: str
    run: Callable[[UUID], Batch]


ACTS: Mapping[str, Act] = {
    act.name: act
    for act in (
        Act(
            name="pause",
            word="Pause",
            done="paused",
            trail="paused",
            asks="No more messages are made of it until somebody resumes it. What was made still "
            "goes out: a few thousand at most wait in the queue.",
            run=control.pause,
        ),
        Act(
            name="resume",
            word="Resume",
            done="resumed",
            trail="resumed",
            asks="Messages are made of the rest, as fast as the queue takes them. “Pause” stops it "
            "again.",
            run=control.resume,
        ),
        Act(
            name="cancel",
            word="Cancel",
            done="cancelled",
            trail="cancelled",
            asks="No more messages are made, and those that wait are cancelled, a thousand at a "
            "time. What went out stays. This cannot be undone or stopped; to hold it for now, "
            "pause it instead.",
            run=control.cancel,
        ),
    )
}


def possible(batch: Batch, counted: Mapping[str, int]) -> list[Act]:
    """Return what can be done with a batch now.

    Args:
        batch: The batch.
        counted: Its messages by status.
    """
    names = {
        BatchState.RECEIVING: (),
        BatchState.RUNNING: ("pause", "cancel"),
        BatchState.PAUSED: ("resume", "cancel"),
        BatchState.FINISHED: ("cancel",) if waiting(counted) else (),
        BatchState.CANCELLED: (),
    }[BatchState(batch.state)]
    return [ACTS[name] for name in names]


def waiting(counted: Mapping[str, int]) -> int:
    """Return how many messages of a batch have not ended."""
    return sum(count for status, count in counted.items() if status in UNFINISHED)


def do(request: HttpRequest, act: Act, batch: Batch) -> Batch:
    """Do an act, and add it to the audit trail.

    Raises:
        Problem: 409 if the state of the batch does not allow it. Nothing is changed then.
    """
    with transaction.atomic():
        changed = act.run(batch.pk)
        audit.record(
            request,
            act.trail,
            object_type="batch",
            object_id=batch.pk,
            detail=f"after {changed.done} rows",
        )
    return changed
