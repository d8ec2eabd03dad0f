"""Outgoing limits, one for each provider in calls a second, shared by all workers.

A provider that asks for fewer calls gets fewer, and more again while it accepts them. What may not
be sent now waits without spending an attempt.
"""

from apps.notifications.flow_control.limits.bucket import RequestClass
from apps.notifications.flow_control.limits.gate import (
    Shown,
    end_queues,
    lift,
    releasable,
    report,
    shown,
    take,
)

__all__ = [
    "RequestClass",
    "Shown",
    "end_queues",
    "lift",
    "releasable",
    "report",
    "shown",
    "take",
]
