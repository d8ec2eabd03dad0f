"""Outgoing limits, one for each provider in calls a second, shared by all workers.

A provider that asks for fewer calls gets fewer, and more again while it takes them. What may not
go now waits for its turn without spending an attempt.
"""

from apps.notifications.flow_control.limits.adaptive_rate import AdaptiveRate
from apps.notifications.flow_control.limits.bucket import Turn
from apps.notifications.flow_control.limits.gate import (
    Permit,
    Shown,
    end_lines,
    give_back,
    lift,
    report,
    room,
    shown,
    take,
)

__all__ = [
    "AdaptiveRate",
    "Permit",
    "Shown",
    "Turn",
    "end_lines",
    "give_back",
    "lift",
    "report",
    "room",
    "shown",
    "take",
]
