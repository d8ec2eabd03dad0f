"""A mail that reports are about."""

import pytest

from apps.notifications.models import Notification
from apps.users.models import User
from tests.notifications.feedback.bounces.mails import sent


@pytest.fixture
def mail(alice: User) -> Notification:
    """A mail to Alice that an SMTP server took."""
    return sent(alice)
