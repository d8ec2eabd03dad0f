"""One breaker as a value, and its rules: pure functions from one state to the next."""

from dataclasses import dataclass, replace
from enum import StrEnum

# Failures are counted over this long, and judged from this many calls on.
WINDOW_SECONDS = 10.0
VOLUME_MIN = 10
FAILURE_RATE = 0.5
# The first time that an open breaker waits before it lets probes through, doubled each time that
# they fail.
OPEN_SECONDS = 5.0
OPEN_SECONDS_MAX = 60.0
PROBES = 3
# Probes that nobody has reported on by then are given out again: their process died. A mail server
# may take 45 s to answer for a whole mail; more probes meanwhile would only be more such mails.
PROBE_SECONDS = 75.0
# What waits for a breaker that staff forced open asks again after this: often enough for the
# person who gives it back, seldom enough for a million rows that wait.
FORCED_OPEN_SECONDS = 30.0
# Those who find all probes given out ask again after this.
ASK_AGAIN_SECONDS = 1.0
# Clocks of two machines may differ by this much. A time further ahead was written by a clock that
# is wrong, or was: nobody waits until it comes.
CLOCKS_DIFFER_SECONDS = 5.0


class State(StrEnum):
    """What a breaker does."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Forced(StrEnum):
    """What staff have set it to."""

    AUTO = "auto"
    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, kw_only=True)
class Circuit:
    """One breaker. Times are Unix seconds.

    Attributes:
        state: What the breaker found by itself.
        forced: What staff want, which wins.
        forced_at: When staff set it.
        reason: Why it opened.
        window_began: When counting began.
        successes: Calls in the window that the provider answered as it should.
        failures: Calls in the window that were its fault.
        since: When it left the closed state; 0 while it is closed.
        changed_at: When it opened last, or when the last probes were given out.
        open_seconds: How long it stays open this time.
        probes_left: Probes that may still be sent while it is half open.
    """

    state: State = State.CLOSED
    forced: Forced = Forced.AUTO
    forced_at: float = 0.0
    reason: str = ""
    window_began: float = 0.0
    successes: int = 0
    failures: int = 0
    since: float = 0.0
    changed_at: float = 0.0
    open_seconds: float = OPEN_SECONDS
    probes_left: int = 0

    @property
    def effective(self) -> State:
        """What it does, staff included."""
        return self.state if self.forced is Forced.AUTO else State(self.forced)

    @property
    def opens_again_at(self) -> float:
        """When an open breaker lets probes through."""
        return self.changed_at + self.open_seconds


def admitted(circuit: Circuit, *, wanted: int, now: float) -> tuple[Circuit, int, float]:
    """Decide how many of the wanted calls may be made.

    Returns:
        The breaker afterwards, how many may go, and when the others should ask again.
    """
    if circuit.effective is State.CLOSED:
        return circuit, wanted, now
    if circuit.forced is Forced.OPEN:
        return circuit, 0, now + FORCED_OPEN_SECONDS
    if circuit.state is State.OPEN:
        if now < circuit.opens_again_at and not _ahead(circuit.changed_at, now):
            return circuit, 0, circuit.opens_again_at
        circuit = replace(circuit, state=State.HALF_OPEN, probes_left=PROBES, changed_at=now)
    elif circuit.probes_left == 0 and (
        now >= circuit.changed_at + PROBE_SECONDS or _ahead(circuit.changed_at, now)
    ):
        circuit = replace(circuit, probes_left=PROBES, changed_at=now)
    going = min(wanted, circuit.probes_left)
    return (
        replace(circuit, probes_left=circuit.probes_left - going),
        going,
        now + ASK_AGAIN_SECONDS,
    )


def unprobed(circuit: Circuit, *, count: int) -> Circuit:
    """Take back probes that were not made."""
    if circuit.state is not State.HALF_OPEN:
        return circuit
    return replace(circuit, probes_left=min(PROBES, circuit.probes_left + count))


def reported(
    circuit: Circuit, *, successes: int, failures: int, fatal: str = "", now: float
) -> Circuit:
    """Take note of calls that were made.

    Args:
        circuit: The breaker before.
        successes: Calls that the provider answered as it should.
        failures: Calls that were its fault.
        fatal: Why no call can succeed, such as ``credentials``; empty if that was not seen.
        now: The present.
    """
    if fatal:
        return _opened(circuit, reason=fatal, now=now)
    match circuit.state:
        case State.HALF_OPEN:
            return _after_probes(circuit, successes=successes, failures=failures, now=now)
        case State.OPEN:
            # Calls that were under way when it opened.
            return circuit
        case State.CLOSED:
            return _counted(circuit, successes=successes, failures=failures, now=now)


def _after_probes(circuit: Circuit, *, successes: int, failures: int, now: float) -> Circuit:
    if failures:
        return _opened(circuit, reason="probes_failed", now=now)
    if successes:
        return Circuit(
            forced=circuit.forced,
            forced_at=circuit.forced_at,
            window_began=now,
            changed_at=now,
        )
    return circuit


def _counted(circuit: Circuit, *, successes: int, failures: int, now: float) -> Circuit:
    if now - circuit.window_began > WINDOW_SECONDS or _ahead(circuit.window_began, now):
        circuit = replace(circuit, window_began=now, successes=0, failures=0)
    circuit = replace(
        circuit,
        successes=circuit.successes + successes,
        failures=circuit.failures + failures,
    )
    volume = circuit.successes + circuit.failures
    if volume >= VOLUME_MIN and circuit.failures >= FAILURE_RATE * volume:
        return _opened(circuit, reason="failure_rate", now=now)
    return circuit


def _opened(circuit: Circuit, *, reason: str, now: float) -> Circuit:
    again = circuit.state is not State.CLOSED
    seconds = min(circuit.open_seconds * 2, OPEN_SECONDS_MAX) if again else OPEN_SECONDS
    return Circuit(
        state=State.OPEN,
        forced=circuit.forced,
        forced_at=circuit.forced_at,
        reason=reason,
        since=circuit.since if again else now,
        changed_at=now,
        open_seconds=seconds,
    )


def _ahead(moment: float, now: float) -> bool:
    """Tell whether a time that has been written down lies in the future."""
    return moment > now + CLOCKS_DIFFER_SECONDS
