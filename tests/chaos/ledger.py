"""Account for everything accepted: pure functions without a server.

Three independent records are compared: the answers to the client, the rows, and the copies that
the providers received.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos.copies import NO_COPIES, Bound, Copy, Harm

DELIVERED = frozenset({"sent", "delivered"})
# Final statuses that are not a delivery and need no action; the documents explain each.
OTHER_ENDINGS = frozenset({"bounced", "skipped", "expired", "cancelled"})
# Its replay is a requested copy, although the first one may have arrived.
MAY_HAVE_ARRIVED = "failed (unknown_outcome)"


@dataclass(frozen=True, kw_only=True)
class Row:
    """The state of a notification in the database.

    Attributes:
        ref: The ``request_id`` of the request; empty for a replay.
        letter: The state of its dead letter; empty if there is none.
        recorded_at: Commit time of its last change, in Unix seconds.
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
        unnamed: Endings that the fault may not cause.
        lost: Notifications that are unaccounted for, with what is known of each.
        doubled: Copies at the providers beyond the first of each.
        explained: Upper bound of the copies that the fault explains.
        unexplained: Notifications with more copies than the fault explains.
        strange: Notifications whose copies do not all carry the same id.
        replayed: Dead letters that were delivered by a replay.
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
        """All violations in words; empty if there are none."""
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
    """Compare the three records.

    Args:
        accepted: The ids answered with 202, by the reference of the request.
        rows: All rows, including replays.
        copies: All copies that the providers received.
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
    """Compare the copies of one message with the copies that the fault explains."""
    if not copies:
        return
    further, most = len(copies) - 1, bound.of_one(copies, harms)
    made.doubled += further
    made.explained += most
    if further > most:
        made.unexplained.append(f"{ref}: {further} beyond the first, where {most} are explained")


def _are_strange(ids: Sequence[str], *, chain: Mapping[str, Row]) -> bool:
    """Return whether a recipient could not recognise a second copy as a duplicate."""
    asked_for = {pk for pk, row in chain.items() if _ending(row) == MAY_HAVE_ARRIVED}
    return any(pk not in chain for pk in ids) or len(set(ids) - asked_for) > 1


def _chain(pk: str, *, by_id: Mapping[str, Row], replays: Mapping[str, Row]) -> dict[str, Row]:
    """Return a notification and its replays, in order."""
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
    """Measure the duplicate window: seconds from a provider's acceptance to our record of it.

    Only the last copy of each delivery counts; copies left by a crash do not measure the window.
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
    """Return the value that this share of the values does not exceed; 0 for no values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
