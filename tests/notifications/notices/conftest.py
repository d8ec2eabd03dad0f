"""An installation with operators, and the conditions that they are told about."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.notifications.models import Notice, Notification
from apps.notifications.notices import sources, watch
from apps.notifications.notices.conditions import Condition, Observation
from apps.notifications.notices.sources import Source
from apps.notifications.providers.registry import close_all
from tests.fakes.smtp_server import SmtpServer

OPS = ["ops@example.com", "night@example.com"]


@pytest.fixture
def smtp(smtp_server: SmtpServer, settings: Any) -> Iterator[SmtpServer]:
    settings.EMAIL_PROVIDERS = ["smtp"]
    yield smtp_server
    close_all()


class Installation:
    """Conditions that a test sets, and looks at them as time goes by."""

    def __init__(self) -> None:
        self.now = timezone.now()
        self.observations: list[Observation] = []

    def has(
        self, *subjects: str, condition: Condition = Condition.WEBHOOK_DISABLED, **facts: Any
    ) -> None:
        """Let these subjects have the condition from now on, and no others."""
        self.observations = [
            Observation(
                condition=condition,
                subject=subject,
                since=self.now - timedelta(minutes=6),
                facts={"name": subject, "why": "It answered with errors.", **facts},
            )
            for subject in subjects
        ]

    def read(self, _: datetime) -> list[Observation]:
        return self.observations

    def look(self, *, after: timedelta = timedelta(seconds=15)) -> None:
        """Let time go by, and look."""
        self.now += after
        watch.look(now=self.now)

    def calm_down(self) -> None:
        """Let the conditions go, and look until their notices are over."""
        self.has()
        self.look()
        self.look(after=timedelta(minutes=6))


@pytest.fixture
def operators(settings: Any) -> list[str]:
    settings.OPERATOR_EMAILS = OPS
    return OPS


@pytest.fixture
def installation(db: None, operators: list[str], monkeypatch: pytest.MonkeyPatch) -> Installation:
    made = Installation()
    own = Source(conditions=list(Condition), read=made.read)
    monkeypatch.setattr(sources, "SOURCES", [own])
    return made


def mails() -> list[tuple[str, str]]:
    """Return the text and the status of each mail to operators, oldest first."""
    rows = Notification.objects.filter(client="system").order_by("pk")
    return [
        (code.removeprefix("system:notice-"), status)
        for code, status in rows.values_list("template_code", "status")
    ]


def open_subjects() -> list[str]:
    return list(
        Notice.objects.filter(over_at=None).values_list("subject", flat=True).order_by("pk")
    )
