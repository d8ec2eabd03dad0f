"""Django admin pages for notifications, dead letters and running processes, with actions."""

from apps.notifications.admin.batches import BatchAdmin
from apps.notifications.admin.dead_letter_replays import (
    DeadLetterActionAdmin,
    DeadLetterReplayAdmin,
)
from apps.notifications.admin.dead_letters import DeadLetterAdmin
from apps.notifications.admin.heartbeats import HeartbeatAdmin
from apps.notifications.admin.notifications import NotificationAdmin
from apps.notifications.admin.retention import DailyCountAdmin, RetentionRuleAdmin

__all__ = [
    "BatchAdmin",
    "DailyCountAdmin",
    "DeadLetterActionAdmin",
    "DeadLetterAdmin",
    "DeadLetterReplayAdmin",
    "HeartbeatAdmin",
    "NotificationAdmin",
    "RetentionRuleAdmin",
]
