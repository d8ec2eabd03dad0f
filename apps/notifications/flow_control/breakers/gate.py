"""The breakers' interface for the pipeline: admit calls, and report their results."""

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
from apps.notifications.flow_control.breakers.hold import NO_HOLD, Hold, belonging, released
from apps.notifications.flow_control.breakers.store import shared_breakers, shared_holds
from apps.notifications.flow_control.breakers.tally import Tally

log = structlog.get_logger(__name__)

# A closed state is cached in the process with this TTL, so that most calls need no Redis access.
READ_SECONDS = 0.5
# Successes alone do not change the state, so they are reported together at this interval.
REPORT_SECONDS = 1.0

_store = shared_breakers()
_holds = shared_holds()
_cached: dict[str, float] = {}
_unreported: dict[str, tuple[int, float]] = {}


@dataclass(frozen=True, kw_only=True)
class Admission:
    """The number of admitted calls, and when to try the others again.

    Attributes:
        count: The number of admitted calls.
        retry_at: When to try the others again.
        probing: Whether the admitted calls are probes, whose number is limited.
    """

    count: int
    retry_at: datetime
    probing: bool = False


def breaker_name(provider: str, platform: str = "") -> str:
    """Return the name of a provider's breaker, with the platform if there are several."""
    return f"{provider}:{platform}" if platform else provider


def admit(name: str, *, wanted: int) -> Admission:
    """Request admission for calls. A half-open breaker admits only a few over all processes."""
    now = time.time()
    # The lower bound: after the clock was set back, the cache must not stay valid until it has
    # caught up.
    if 0 <= now - _cached.get(name, 0.0) < READ_SECONDS:
        return Admission(count=wanted, retry_at=_moment(now))
    stored = _store.read(name)
    hold = _hold_of(name, stored)
    if released(stored, hold, now=now) != stored:
        stored = _end(name, hold, now=now)
    if stored.effective is State.CLOSED:
        _cached[name] = now
        return Admission(count=wanted, retry_at=_moment(now))

    def change(circuit: Circuit) -> tuple[Circuit, tuple[int, float]]:
        after, count, again_at = admitted(circuit, wanted=wanted, now=now)
        return after, (count, again_at)

    count, again_at = _store.exchange(name, change)
    if hold.until:
        again_at = min(again_at, max(hold.until, now))
    return Admission(count=count, retry_at=_moment(again_at), probing=count > 0)


def give_back(name: str, *, count: int) -> None:
    """Return probes that were admitted but not sent, so that the next caller can send them."""
    _store.update(name, lambda circuit: unprobed(circuit, count=count))


def report(name: str, counted: Tally) -> None:
    """Report the results of calls to a breaker, and log a change of its state."""
    now = time.time()
    untold, reported_at = _unreported.get(name, (0, 0.0))
    successes = untold + counted.successes
    quiet = not counted.failures and not counted.fatal and name in _cached
    if quiet and 0 <= now - reported_at < REPORT_SECONDS:
        _unreported[name] = (successes, reported_at)
        return
    _unreported[name] = (0, now)
    before, after = _store.update(
        name,
        lambda circuit: reported(
            circuit,
            successes=successes,
            failures=counted.failures,
            fatal=counted.fatal,
            now=now,
        ),
    )
    if after.state is not State.CLOSED:
        _cached.pop(name, None)
    if after.state is not before.state:
        log.warning("breaker changed", breaker=name, state=after.state, reason=after.reason)


def force(
    names: Iterable[str],
    forced: Forced,
    *,
    seconds: float | None = None,
    reason: str = "",
    by: str = "",
) -> None:
    """Override the state of breakers; ``auto`` removes the override and closes them.

    Args:
        names: The breakers.
        forced: The override.
        seconds: After how long it ends by itself, in all processes; None if it lasts until it is
            given back.
        reason: Why, for those who see it.
        by: Who does it.
    """
    now = time.time()
    hold = NO_HOLD
    if forced is not Forced.AUTO:
        until = 0.0 if seconds is None else now + seconds
        hold = Hold(forced_at=now, until=until, reason=reason, by=by)

    def change(circuit: Circuit) -> Circuit:
        return (
            Circuit() if forced is Forced.AUTO else replace(circuit, forced=forced, forced_at=now)
        )

    for name in names:
        _cached.pop(name, None)
        # First: a force without its hold would last until it is given back.
        _holds.update(name, lambda _: hold)
        _store.update(name, change)
        log.warning("breaker forced", breaker=name, forced=forced, seconds=seconds)


def shown(name: str, *, cached_seconds: float = 0.0) -> Circuit:
    """Return the current state of a breaker.

    Args:
        name: The breaker.
        cached_seconds: How old a state that this process has read may be.
    """
    circuit, hold = _stored(name, cached_seconds)
    now = time.time()
    if released(circuit, hold, now=now) == circuit:
        return circuit
    return _end(name, hold, now=now)


def are_cut_off() -> bool:
    """Return whether the states of other processes are unknown: Redis did not answer just now."""
    return _store.is_cut_off


def hold_of(name: str, *, cached_seconds: float = 0.0) -> Hold:
    """Return what staff said when they forced a breaker; an empty hold if it is not forced.

    Args:
        name: The breaker.
        cached_seconds: As for ``shown``.
    """
    circuit, hold = _stored(name, cached_seconds)
    return belonging(hold, released(circuit, hold, now=time.time()))


def _stored(name: str, cached_seconds: float) -> tuple[Circuit, Hold]:
    circuit = _store.read(name, cached_seconds=cached_seconds)
    return circuit, _hold_of(name, circuit, cached_seconds)


def _hold_of(name: str, circuit: Circuit, cached_seconds: float = 0.0) -> Hold:
    """Return the hold of a circuit. One that is not forced has none, and costs no second read."""
    if circuit.forced is Forced.AUTO:
        return NO_HOLD
    return belonging(_holds.read(name, cached_seconds=cached_seconds), circuit)


def _end(name: str, hold: Hold, *, now: float) -> Circuit:
    """Write down that a force has ended, and return the circuit.

    The end applies to whoever reads the hold. Processes of an earlier release do not, so the first
    process that notices it tells them.
    """
    before, after = _store.update(name, lambda circuit: released(circuit, hold, now=now))
    if before != after:
        log.warning("breaker no longer forced: its end has passed", breaker=name)
    return after


def forget() -> None:
    """Reset the store and the caches of this process, for tests."""
    _store.forget()
    _holds.forget()
    _cached.clear()
    _unreported.clear()


def _moment(unix: float) -> datetime:
    return datetime.fromtimestamp(unix, UTC)
