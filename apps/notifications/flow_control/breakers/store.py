"""Store the breakers: in Redis for all processes, or in this process if there is no Redis."""

from dataclasses import fields
from typing import Any

from apps.common.redis.shared_state import SharedState, StateType
from apps.notifications.flow_control.breakers.circuit import Circuit, Forced, State
from apps.notifications.flow_control.breakers.hold import Hold

# The TTL of an unused breaker, after which it is closed again. An override by staff does not
# expire.
FORGOTTEN_SECONDS = 24 * 3600


_CIRCUIT_FIELDS = frozenset(field.name for field in fields(Circuit))
_HOLD_FIELDS = frozenset(field.name for field in fields(Hold))


def _read(*, state: str = State.CLOSED, forced: str = Forced.AUTO, **others: Any) -> Circuit:
    # A field that only a later release knows is left out, and must not reset the breaker.
    known = {name: value for name, value in others.items() if name in _CIRCUIT_FIELDS}
    return Circuit(state=State(state), forced=Forced(forced), **known)


def _read_hold(**stored: Any) -> Hold:
    return Hold(**{name: value for name, value in stored.items() if name in _HOLD_FIELDS})


CIRCUITS: StateType[Circuit] = StateType(
    prefix="notifications:breaker:",
    read=_read,
    forgotten_seconds=FORGOTTEN_SECONDS,
    lasting=lambda circuit: circuit.forced is not Forced.AUTO,
)
# Beside the circuits, for the reason that ``hold`` gives.
HOLDS: StateType[Hold] = StateType(
    prefix="notifications:breaker-hold:",
    read=_read_hold,
    forgotten_seconds=FORGOTTEN_SECONDS,
    lasting=lambda hold: hold.forced_at != 0.0,
)
_CONSEQUENCE = "each process has breakers of its own: no Redis"


def shared_breakers() -> SharedState[Circuit]:
    """Create the store for the breakers that this process uses."""
    return SharedState(CIRCUITS, consequence=_CONSEQUENCE)


def shared_holds() -> SharedState[Hold]:
    """Create the store for what staff said when they forced a breaker."""
    return SharedState(HOLDS, consequence=_CONSEQUENCE)
