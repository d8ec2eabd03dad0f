"""What the pipeline asks of the breakers: may these calls go, and this is what they came to."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog

from apps.notifications.flow_control.breakers.circuit import (
    Circuit,
    Forced,
    State,
    admitted,
    reported,
    unprobed,
)
from apps.notifications.flow_control.breakers.store import shared_breakers
from apps.notifications.flow_control.breakers.tally import Tally

log = structlog.get_logger(__name__)

# A closed breaker is looked at this often; in between its word holds, and costs nothing.
LOOK_SECONDS = 0.5
# Successes alone change nothing, so they are told together, this often.
TELL_SECONDS = 1.0

_store = shared_breakers()
_looked: dict[str, float] = {}
_untold: dict[str, tuple[int, float]] = {}


@dataclass(frozen=True, kw_only=True)
class Admission:
    """How many calls may go, and when to ask again for the others.

    Attributes:
        probing: Whether they are probes, which are counted.
    """

    count: int
    ask_again_at: datetime
    probing: bool = False


def breaker_name(provider: str, platform: str = "") -> str:
    """Name the breaker of a provider, and of a platform behind it where there are several."""
    return f"{provider}:{platform}" if platform else provider


def admit(name: str, *, wanted: int) -> Admission:
    """Ask for calls. In half open state only a few get through, over all processes."""
    now = time.time()
    # A clock that was set back must not make this word hold until it has caught up.
    if 0 <= now - _looked.get(name, 0.0) < LOOK_SECONDS:
        return Admission(count=wanted, ask_again_at=_moment(now))
    if _store.read(name).effective is State.CLOSED:
        _looked[name] = now
        return Admission(count=wanted, ask_again_at=_moment(now))
    answer: list[tuple[int, float]] = []

    def change(circuit: Circuit) -> Circuit:
        after, count, again_at = admitted(circuit, wanted=wanted, now=now)
        answer.append((count, again_at))
        return after

    _store.update(name, change)
    count, again_at = answer[-1]
    return Admission(count=count, ask_again_at=_moment(again_at), probing=count > 0)


def give_back(name: str, *, count: int) -> None:
    """Give back probes that were not made after all, so that the next who asks makes them."""
    _store.update(name, lambda circuit: unprobed(circuit, count=count))


def report(name: str, counted: Tally) -> None:
    """Tell a breaker what its calls came to, and log when it changes."""
    now = time.time()
    untold, told_at = _untold.get(name, (0, 0.0))
    successes = untold + counted.successes
    quiet = not counted.failures and not counted.fatal and name in _looked
    if quiet and 0 <= now - told_at < TELL_SECONDS:
        _untold[name] = (successes, told_at)
        return
    _untold[name] = (0, now)
    before: list[State] = []

    def change(circuit: Circuit) -> Circuit:
        before.append(circuit.state)
        return reported(
            circuit,
            successes=successes,
            failures=counted.failures,
            fatal=counted.fatal,
            now=now,
        )

    after = _store.update(name, change)
    if after.state is not State.CLOSED:
        _looked.pop(name, None)
    if after.state is not before[-1]:
        log.warning("breaker changed", breaker=name, state=after.state, reason=after.reason)


def force(names: Iterable[str], forced: Forced) -> None:
    """Set breakers by hand; ``auto`` gives them back to themselves, closed."""
    now = time.time()

    def change(circuit: Circuit) -> Circuit:
        return (
            Circuit() if forced is Forced.AUTO else replace(circuit, forced=forced, forced_at=now)
        )

    for name in names:
        _looked.pop(name, None)
        _store.update(name, change)
        log.warning("breaker forced", breaker=name, forced=forced)


def shown(name: str) -> Circuit:
    """Return a breaker as it stands."""
    return _store.read(name)


def forget() -> None:
    """Forget what this process keeps, as a new one would; for tests."""
    _store.forget()
    _looked.clear()
    _untold.clear()


def _moment(unix: float) -> datetime:
    return datetime.fromtimestamp(unix, UTC)
