"""Circuit breakers, one for each provider and platform, shared by all workers.

Open means that the next provider takes over, or that the notification waits without spending an
attempt.
"""

from apps.notifications.flow_control.breakers.circuit import Circuit, Forced, State
from apps.notifications.flow_control.breakers.gate import (
    Admission,
    admit,
    breaker_name,
    force,
    give_back,
    report,
    shown,
)
from apps.notifications.flow_control.breakers.sender_id_guard import doubted
from apps.notifications.flow_control.breakers.tally import Tally, tally

__all__ = [
    "Admission",
    "Circuit",
    "Forced",
    "State",
    "Tally",
    "admit",
    "breaker_name",
    "doubted",
    "force",
    "give_back",
    "report",
    "shown",
    "tally",
]
