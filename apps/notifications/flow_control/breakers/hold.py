"""Why staff force a breaker and until when, and the pure rule that ends it.

It is stored beside the circuit and not in it. Processes of an earlier release reset a circuit that
has a field they do not know, which would end the force at once; and what they write back has only
the fields that they know. A record of its own is never touched by them, and ``forced_at`` says to
which force it belongs: after an earlier release has forced the breaker anew, or set it back, it
concerns nothing any more.
"""

from dataclasses import dataclass

from apps.notifications.flow_control.breakers.circuit import Circuit, Forced


@dataclass(frozen=True, kw_only=True)
class Hold:
    """What staff said when they forced a breaker. Times are Unix seconds.

    Attributes:
        forced_at: The ``forced_at`` of the circuit that it belongs to; 0 if there is none.
        until: When the force ends by itself; 0 if it lasts until it is given back.
        reason: Why, in the words of who did it.
        by: Who did it.
    """

    forced_at: float = 0.0
    until: float = 0.0
    reason: str = ""
    by: str = ""


NO_HOLD = Hold()


def belonging(hold: Hold, circuit: Circuit) -> Hold:
    """Return the hold if it is that of the circuit's present force, else an empty one."""
    is_its_own = circuit.forced is not Forced.AUTO and hold.forced_at == circuit.forced_at
    return hold if is_its_own else NO_HOLD


def released(circuit: Circuit, hold: Hold, *, now: float) -> Circuit:
    """Return the circuit as it applies now: closed and automatic after the end of its force.

    Args:
        circuit: The stored circuit.
        hold: The stored hold, of this or of an earlier force.
        now: The current time.
    """
    until = belonging(hold, circuit).until
    return Circuit() if until and now >= until else circuit
