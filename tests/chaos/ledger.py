"""What became of everything that was accepted: pure accounting, without any server.

Three books are kept apart and compared: what the client was told, what the rows say, and what
reached the wire.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos.copies import NO_COPIES, Bound, Copy, Harm

DELIVERED = frozenset({"sent", "delivered"})
# Endings that are no delivery and need nobody: the documents name each with its reason.
OTHER_ENDINGS = frozenset({"bounced", "skipped", "expired", "cancelled"})
# Its replay is a copy that somebody asked for although the first may have arrived.
MAY_HAVE_ARRIVED = "failed (unknown_outcome)"


@dataclass(frozen=True, kw_only=True)
class Row:
    """What the database says of a notification.

    Attributes:
        ref: The ``request_id`` that it was asked for under; empty for a replay.
        letter: The state of its dead letter; empty where there is none.
        recorded_at: When its last change was committed, in Unix seconds.
    """

    id: str
    ref: str
    status: str
    reason: str = ""
    replay_of: str = ""
    letter: str = ""
    recorded_at: float = 0.0


@dataclass(kw_only=True)
class Account:
    """Everything accepted, each counted once.

    Attributes:
        endings: Documented endings other than delivery, by status and reason.
        unnamed: Those of them that the fault may not cause.
        lost: What is unaccounted for, with what is known of it.
        doubled: Copies on the wire beyond the first of each.
        explained: How many of those the fault explains at most.
        unexplained: Those with more copies than the fault explains.
        strange: Those whose copies do not all carry one and the same id.
        replayed: Dead letters that a replay delivered.
        unreplayed: Dead letters that no replay has delivered.
    """

    accepted: int = 0
    delivered: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    unnamed: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    doubled: int = 0
    explained: int = 0
    unexplained: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    replayed: int = 0
    unreplayed: list[str] = field(default_factory=list)

    @property
    def complaints(self) -> list[str]:
        """What must not be, in words; empty when all is well."""
        return [
            *(f"lost: {words}" for words in self.lost),
            *(
                f"an ending that this fault may not cause: {count} {ending}"
                for ending, count in sorted(self.unnamed.items())
            ),
            *(f"more copies than this fault explains: {words}" for words in self.unexplained),
            *(f"a copy under another id: {words}" for words in self.strange),
            *(f"a dead letter that was not delivered again: {words}" for words in self.unreplayed),
        ]


def account(
    accepted: Mapping[str, str],
    *,
    rows: Iterable[Row],
    copies: Iterable[Copy],
    endings: Collection[str] = (),
    bound: Bound = NO_COPIES,
    harms: Sequence[Harm] = (),
) -> Account:
    """Compare the books.

    Args:
        accepted: What was answered with 202: the id by the request's reference.
        rows: All rows, replays among them.
        copies: All that reached the wire.
        endings: The endings other than delivery that the fault may cause, ``status (reason)``.
        bound: The copies that it may cause.
        harms: What was done to workers.
    """
    by_id = {row.id: row for row in rows}
    replays = {row.replay_of: row for row in by_id.values() if row.replay_of}
    taken: dict[str, list[Copy]] = defaultdict(list)
    for copy in sorted(copies, key=lambda copy: copy.at):
        taken[copy.ref].append(copy)
    made = Account(accepted=len(accepted))
    for ref, pk in accepted.items():
        ids = [copy.carried_id for copy in taken[ref]]
        chain = _chain(pk, by_id=by_id, replays=replays)
        _count(made, ref, taken[ref], bound=bound, harms=harms)
        if _are_strange(ids, chain=chain):
            made.strange.append(f"{ref} {pk}: {sorted(set(ids))}")
        _settle(made, ref, pk, chain=chain, ids=ids)
    made.unnamed = Counter({name: n for name, n in made.endings.items() if name not in endings})
    most = bound.in_all(harms)
    if most is not None:
        made.explained = min(made.explained, most)
    if made.doubled > made.explained and not made.unexplained:
        made.unexplained.append(f"{made.doubled} in all, where {made.explained} are explained")
    return made


def _count(
    made: Account, ref: str, copies: Sequence[Copy], *, bound: Bound, harms: Sequence[Harm]
) -> None:
    """Compare the copies of one message with what the fault explains."""
    if not copies:
        return
    further, most = len(copies) - 1, bound.of_one(copies, harms)
    made.doubled += further
    made.explained += most
    if further > most:
        made.unexplained.append(f"{ref}: {further} beyond the first, where {most} are explained")


def _are_strange(ids: Sequence[str], *, chain: Mapping[str, Row]) -> bool:
    """Tell whether a recipient could not know a second copy for one."""
    asked_for = {pk for pk, row in chain.items() if _ending(row) == MAY_HAVE_ARRIVED}
    return any(pk not in chain for pk in ids) or len(set(ids) - asked_for) > 1


def _chain(pk: str, *, by_id: Mapping[str, Row], replays: Mapping[str, Row]) -> dict[str, Row]:
    """Return a notification and its replays, in their order."""
    chain: dict[str, Row] = {}
    row = by_id.get(pk)
    while row is not None and row.id not in chain:
        chain[row.id] = row
        row = replays.get(row.id)
    return chain


def _settle(made: Account, ref: str, pk: str, *, chain: Mapping[str, Row], ids: list[str]) -> None:
    row = chain.get(pk)
    if row is None:
        made.lost.append(f"{ref} {pk}: there is no row")
    elif row.status in DELIVERED:
        if pk in ids:
            made.delivered += 1
        else:
            made.lost.append(f"{ref} {pk}: {row.status}, but nothing reached the wire")
    elif row.status in OTHER_ENDINGS:
        made.endings[_ending(row)] += 1
    elif row.status == "failed" and row.letter:
        made.endings[_ending(row)] += 1
        last = list(chain.values())[-1]
        if last.status in DELIVERED and last.id in ids:
            made.replayed += 1
        else:
            made.unreplayed.append(f"{ref} {pk}: the last of its chain is {last.status}")
    elif row.status == "failed":
        made.lost.append(f"{ref} {pk}: failed without a dead letter")
    else:
        made.lost.append(f"{ref} {pk}: still {row.status}")


def _ending(row: Row) -> str:
    return f"{row.status} ({row.reason})" if row.reason else row.status


def windows(rows: Iterable[Row], copies: Iterable[Copy]) -> list[float]:
    """Measure the duplicate window: seconds from a provider's taking to our record of it.

    The last copy of each delivery counts; what a crash left behind is no measure of it.
    """
    taken: dict[str, float] = {}
    for copy in copies:
        taken[copy.carried_id] = max(copy.at, taken.get(copy.carried_id, 0.0))
    return [
        row.recorded_at - taken[row.id]
        for row in rows
        if row.status in DELIVERED and row.id in taken
    ]


def percentile(values: Iterable[float], share: float) -> float:
    """Return the value that so large a share of them does not exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
