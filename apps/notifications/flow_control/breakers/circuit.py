"""One circuit breaker as a value, and its rules as pure functions from one state to the next."""

from dataclasses import dataclass, replace
from enum import StrEnum

# Failures are counted over this window. The breaker opens only after at least this many calls.
WINDOW_SECONDS = 10.0
VOLUME_MIN = 10
FAILURE_RATE = 0.5
# How long an open breaker waits before it admits probes, doubled each time that the probes fail.
OPEN_SECONDS = 5.0
OPEN_SECONDS_MAX = 60.0
PROBES = 3
# If no result of the probes was reported by then, their process died and new probes are admitted.
# A mail server may take 45 s to answer for a whole mail; earlier probes would only add more such
# mails.
PROBE_SECONDS = 75.0
# The retry interval while staff have forced a breaker open: short enough to react when staff set it
# back, long enough for a million waiting rows.
FORCED_OPEN_SECONDS = 30.0
# The retry interval while all probes are in use.
BUSY_RETRY_SECONDS = 1.0
# Clocks of two machines may differ by this much. A stored time further in the future was written
# with a wrong clock, so it is not waited for.
CLOCKS_DIFFER_SECONDS = 5.0


class State(StrEnum):
    """The state of a breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Forced(StrEnum):
    """The override that staff have set."""

    AUTO = "auto"
    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, kw_only=True)
class Circuit:
    """One breaker. Times are Unix seconds.

    Attributes:
        state: The automatic state.
        forced: The override by staff, which has precedence.
        forced_at: When staff set the override.
        reason: Why it opened.
        window_began: When the counting window began.
        successes: Calls in the window that the provider answered correctly.
        failures: Calls in the window that failed because of the provider.
        since: When it left the closed state; 0 while it is closed.
        changed_at: When it last opened, or when probes were last made available.
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
        """The state that applies, including an override by staff."""
        return self.state if self.forced is Forced.AUTO else State(self.forced)

    @property
    def opens_again_at(self) -> float:
        """When an open breaker admits probes."""
        return self.changed_at + self.open_seconds


def admitted(circuit: Circuit, *, wanted: int, now: float) -> tuple[Circuit, int, float]:
    """Decide how many of the wanted calls are admitted.

    Returns:
        The new state, the number of admitted calls, and when to try the others again.
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
        now + BUSY_RETRY_SECONDS,
    )


def unprobed(circuit: Circuit, *, count: int) -> Circuit:
    """Return probes that were admitted but not sent."""
    if circuit.state is not State.HALF_OPEN:
        return circuit
    return replace(circuit, probes_left=min(PROBES, circuit.probes_left + count))


def reported(
    circuit: Circuit, *, successes: int, failures: int, fatal: str = "", now: float
) -> Circuit:
    """Count the results of calls.

    Args:
        circuit: The previous state.
        successes: Calls that the provider answered correctly.
        failures: Calls that failed because of the provider.
        fatal: Why no call can succeed, such as ``credentials``; empty if there is no such reason.
        now: The current time.

    Returns:
        The new state.
    """
    if fatal:
        return _opened(circuit, reason=fatal, now=now)
    match circuit.state:
        case State.HALF_OPEN:
            return _after_probes(circuit, successes=successes, failures=failures, now=now)
        case State.OPEN:
            # Results of calls that were in flight when it opened.
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
    """Return whether a stored time is in the future by more than clocks may differ."""
    return moment > now + CLOCKS_DIFFER_SECONDS
