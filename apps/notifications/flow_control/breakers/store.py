"""Store the breakers: in Redis for all processes, or in this process if there is no Redis."""

from typing import Any

from apps.common.redis.shared_state import SharedState, StateType
from apps.notifications.flow_control.breakers.circuit import Circuit, Forced, State

# The TTL of an unused breaker, after which it is closed again. An override by staff does not
# expire.
FORGOTTEN_SECONDS = 24 * 3600


def _read(*, state: str = State.CLOSED, forced: str = Forced.AUTO, **others: Any) -> Circuit:
    return Circuit(state=State(state), forced=Forced(forced), **others)


CIRCUITS: StateType[Circuit] = StateType(
    prefix="notifications:breaker:",
    read=_read,
    forgotten_seconds=FORGOTTEN_SECONDS,
    lasting=lambda circuit: circuit.forced is not Forced.AUTO,
)


def shared_breakers() -> SharedState[Circuit]:
    """Create the store for the breakers that this process uses."""
    return SharedState(CIRCUITS, consequence="each process has breakers of its own: no Redis")
