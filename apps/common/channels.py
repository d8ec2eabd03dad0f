"""The channels of templates and notifications."""

from enum import StrEnum


class Channel(StrEnum):
    """The medium of a notification. The API calls it ``notification_type``."""

    EMAIL = "email"
    PUSH = "push"
