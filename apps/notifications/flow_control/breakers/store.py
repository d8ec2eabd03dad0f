"""Where breakers are kept: in Redis for all processes, or in this one."""

from typing import Any

from apps.common.redis.shared_state import SharedState, StateType
from apps.notifications.flow_control.breakers.circuit import Circuit, Forced, State

# A breaker that nobody has used for this long is closed again; what staff forced stays.
FORGOTTEN_SECONDS = 24 * 3600


def _read(fields: dict[str, Any]) -> Circuit:
    if not fields:
        return Circuit()
    return Circuit(
        **{**fields, "state": State(fields["state"]), "forced": Forced(fields["forced"])}
    )


CIRCUITS: StateType[Circuit] = StateType(
    prefix="notifications:breaker:",
    read=_read,
    forgotten_seconds=FORGOTTEN_SECONDS,
    lasting=lambda circuit: circuit.forced is not Forced.AUTO,
)


def shared_breakers() -> SharedState[Circuit]:
    """Make the keeper of this process's breakers."""
    return SharedState(CIRCUITS, consequence="each process has breakers of its own: no Redis")
