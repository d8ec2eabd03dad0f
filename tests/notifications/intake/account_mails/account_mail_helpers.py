"""Helpers that trigger account mails as a user does, deliver them and read them."""

import re
from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote

from django.utils import timezone
from rest_framework.test import APIClient

from apps.common.channels import Channel
from apps.notifications.models import Notification
from apps.users import confirmations
from apps.users.models import User
from tests.notifications.delivering import deliver

RESET = "/api/v1/users/password/reset"
LINK = re.compile(r"https?://\S+/account/[a-z-]+\?token=(\S+)")


def post_reset(email: str) -> Any:
    """Request a password reset over the API."""
    return APIClient().post(RESET, {"email": email}, format="json")


def request_reset(user: User) -> Notification:
    """Request a password reset and return the row of its mail."""
    assert post_reset(str(user.email)).status_code == 202
    return Notification.objects.latest("pk")


def send_confirmation(user: User, address: str) -> Notification:
    """Send the link that confirms an address and return the row of its mail."""
    confirmations.send(user=user, address=address)
    return Notification.objects.latest("pk")


def deliver_due(row: Notification) -> Notification:
    """Make a row due, deliver it as its message would, and read it again."""
    Notification.objects.filter(pk=row.pk, next_attempt_at__isnull=False).update(
        next_attempt_at=timezone.now()
    )
    row.refresh_from_db()
    deliver(channel=Channel.EMAIL, ids=[row.pk], attempt=row.attempts)
    row.refresh_from_db()
    return row


def text_of(mail: EmailMessage, kind: str = "plain") -> str:
    """Return the plain text or the HTML part of a mail."""
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def token_in(text: str) -> str:
    """Return the token of the link in a text."""
    found = LINK.search(text)
    assert found is not None, text
    return unquote(found.group(1))
