"""How far batches are, as bars and in words."""

from collections.abc import Mapping

from apps.desk.bars import Bar, bar
from apps.desk.templatetags.desk import thin
from apps.notifications.lifecycle.states import FINISHED, UNFINISHED, Status
from apps.notifications.models import Batch, BatchSource, BatchState

SOURCES: Mapping[str, str] = {
    BatchSource.BULK: "Bulk call",
    BatchSource.BROADCAST: "Broadcast",
    BatchSource.UPLOAD: "Upload",
}
GOOD = frozenset({Status.SENT, Status.DELIVERED})
BAD = frozenset({Status.FAILED, Status.BOUNCED})


def bar_of(batch: Batch, counted: Mapping[str, int] | None) -> Bar:
    """Return the bar of a batch.

    Args:
        batch: The batch.
        counted: Its messages by status; None if they are too many to count for a list. Then what
            was made is shown alone.
    """
    said = how_far(batch)
    if counted is None:
        parts = [("busy", batch.accepted), ("calm", batch.duplicates), ("bad", batch.rejected)]
    else:
        good, bad, calm = _ended(counted)
        waiting = sum(count for status, count in counted.items() if status in UNFINISHED)
        parts = [
            ("good", good),
            ("bad", bad + batch.rejected),
            ("calm", calm + batch.duplicates),
            ("busy", waiting),
        ]
        said = (
            f"{said}: {thin(good)} out, {thin(bad)} failed, {thin(calm)} not sent, "
            f"{thin(waiting)} waiting"
        )
    return bar(parts, total=batch.known_total, said=said)


def how_far(batch: Batch) -> str:
    """Return how many rows have been judged, of how many."""
    total = batch.known_total
    if total is None:
        return f"{thin(batch.done)} so far; the total is still being counted"
    return f"{thin(batch.done)} of {thin(total)}"


def ending(batch: Batch) -> str:
    """Return what a batch is and how far, in a sentence or two."""
    what = f"{SOURCES[batch.source]} of {batch.client}"
    total = batch.known_total
    rows = "recipients" if batch.source == BatchSource.BROADCAST else "rows"
    said = {
        BatchState.RECEIVING: f"{what}: the file is being received.",
        BatchState.RUNNING: f"{what}: messages are being made, {how_far(batch)} {rows}.",
        BatchState.PAUSED: f"{what}: paused after {how_far(batch)} {rows}. What was made is sent.",
        BatchState.FINISHED: f"{what}: all {thin(total or 0)} {rows} were worked through.",
        BatchState.CANCELLED: f"{what}: cancelled after {how_far(batch)} {rows}.",
    }[BatchState(batch.state)]
    refused = (
        f" {thin(batch.rejected)} became no message: see the errors." if batch.rejected else ""
    )
    return said + refused


def is_moving(batch: Batch, counted: Mapping[str, int]) -> bool:
    """Return whether its numbers still change by themselves."""
    if batch.state in {BatchState.RECEIVING, BatchState.RUNNING} or batch.next_at is not None:
        return True
    return any(Status(status) not in FINISHED for status in counted)


def _ended(counted: Mapping[str, int]) -> tuple[int, int, int]:
    """Return how many went out, failed, and ended otherwise."""
    good = sum(count for status, count in counted.items() if status in GOOD)
    bad = sum(count for status, count in counted.items() if status in BAD)
    finished = sum(count for status, count in counted.items() if status in FINISHED)
    return good, bad, finished - good - bad
