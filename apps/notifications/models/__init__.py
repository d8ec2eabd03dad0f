"""The models of the pipeline."""

from apps.notifications.lifecycle.states import LetterState
from apps.notifications.models.attempt import Attempt
from apps.notifications.models.audience_explanation import AudienceExplanation
from apps.notifications.models.batch import (
    Batch,
    BatchError,
    BatchSlice,
    BatchSource,
    BatchState,
)
from apps.notifications.models.dead_letter import DeadLetter
from apps.notifications.models.dead_letter_action import ActionName, DeadLetterAction
from apps.notifications.models.dead_letter_replay import DeadLetterReplay, ReplayState
from apps.notifications.models.event import Event
from apps.notifications.models.heartbeat import Heartbeat
from apps.notifications.models.notice import Notice
from apps.notifications.models.notification import Notification
from apps.notifications.models.receipt import Receipt
from apps.notifications.models.retention import DailyCount, RetentionRule
from apps.notifications.models.sandbox import SandboxMessage
from apps.notifications.models.statistics import StatisticsDelta, StatisticsSum

__all__ = [
    "ActionName",
    "Attempt",
    "AudienceExplanation",
    "Batch",
    "BatchError",
    "BatchSlice",
    "BatchSource",
    "BatchState",
    "DailyCount",
    "DeadLetter",
    "DeadLetterAction",
    "DeadLetterReplay",
    "Event",
    "Heartbeat",
    "LetterState",
    "Notice",
    "Notification",
    "Receipt",
    "ReplayState",
    "RetentionRule",
    "SandboxMessage",
    "StatisticsDelta",
    "StatisticsSum",
]
