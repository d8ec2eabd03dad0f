"""Circuit breakers, one for each provider and platform, shared by all workers.

While a breaker is open, the next provider is used. Without one, the notification waits and uses no
attempt.
"""

from apps.notifications.flow_control.breakers.circuit import Circuit, Forced, State
from apps.notifications.flow_control.breakers.gate import (
    Admission,
    admit,
    are_cut_off,
    breaker_name,
    force,
    give_back,
    hold_of,
    report,
    shown,
)
from apps.notifications.flow_control.breakers.hold import Hold
from apps.notifications.flow_control.breakers.sender_id_guard import with_doubtful_mismatches
from apps.notifications.flow_control.breakers.tally import Tally, tally

__all__ = [
    "Admission",
    "Circuit",
    "Forced",
    "Hold",
    "State",
    "Tally",
    "admit",
    "are_cut_off",
    "breaker_name",
    "force",
    "give_back",
    "hold_of",
    "report",
    "shown",
    "tally",
    "with_doubtful_mismatches",
]
