"""What became of everything that was accepted: pure accounting, without any server.

Three books are kept apart and compared: what the client was told, what the rows say, and what
reached the wire.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

DELIVERED = frozenset({"sent", "delivered"})
# Endings that are no delivery and need nobody: the documents name each with its reason.
OTHER_ENDINGS = frozenset({"bounced", "skipped", "expired", "cancelled"})


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


@dataclass(frozen=True, kw_only=True)
class Copy:
    """One message that a provider's stand-in took whole.

    Attributes:
        ref: What the message itself says it is about.
        carried_id: The notification id in its Message-ID, or in its tag and collapse id.
        at: When, in Unix seconds.
    """

    ref: str
    carried_id: str
    at: float = 0.0


@dataclass(kw_only=True)
class Account:
    """Everything accepted, each counted once.

    Attributes:
        endings: Documented endings other than delivery, by status and reason.
        lost: What is unaccounted for, with what is known of it.
        doubled: Copies on the wire beyond the first of each.
        strange: Those whose copies do not all carry one and the same id.
        replayed: Dead letters that a replay delivered.
        unreplayed: Dead letters that no replay has delivered.
    """

    accepted: int = 0
    delivered: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    doubled: int = 0
    strange: list[str] = field(default_factory=list)
    replayed: int = 0
    unreplayed: list[str] = field(default_factory=list)

    @property
    def complaints(self) -> list[str]:
        """What must not be, in words; empty when all is well."""
        return [
            *(f"lost: {words}" for words in self.lost),
            *(f"a copy under another id: {words}" for words in self.strange),
            *(f"a dead letter that was not delivered again: {words}" for words in self.unreplayed),
        ]


def account(accepted: Mapping[str, str], *, rows: Iterable[Row], copies: Iterable[Copy]) -> Account:
    """Compare the books.

    Args:
        accepted: What was answered with 202: the id by the request's reference.
        rows: All rows, replays among them.
        copies: All that reached the wire.
    """
    by_id = {row.id: row for row in rows}
    replays = {row.replay_of: row for row in by_id.values() if row.replay_of}
    carried: dict[str, list[str]] = defaultdict(list)
    for copy in copies:
        carried[copy.ref].append(copy.carried_id)
    made = Account(accepted=len(accepted))
    for ref, pk in accepted.items():
        ids = carried[ref]
        made.doubled += max(0, len(ids) - 1)
        chain = _chain(pk, by_id=by_id, replays=replays)
        if len(set(ids)) > 1 or any(found not in chain for found in ids):
            made.strange.append(f"{ref} {pk}: {sorted(set(ids))}")
        _settle(made, ref, pk, chain=chain, ids=ids)
    return made


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
