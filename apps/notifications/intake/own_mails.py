"""The system's own mails as notifications: stored immediately, urgent, visible to operators only.

Their text is one of ``apps.templates.builtin``, and their address is on the row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from django.db import transaction
from django.utils import timezone

from apps.common.callers import SYSTEM_CLIENT, Kind
from apps.common.channels import Channel
from apps.common.middleware.correlation import current_id
from apps.notifications.broker import publisher
from apps.notifications.intake.accept import log_accepted
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notification
from apps.notifications.privacy.redaction import redacted
from apps.notifications.statistics.record import insert_accepted
from apps.templates.rendering import builtin

PRIORITY = 9
# The UUID namespace of the built-in texts. Their ids are of version 5 and cannot collide with those
# of stored template versions, which are of version 7.
TEXTS = UUID("6f1d0a86-6b0f-4f5e-9f57-2c1c3f9e5c11")
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class OwnMail:
    """One mail of the system itself.

    Attributes:
        text: The name of the built-in text.
        language: A language of that text.
        variables: The variables of the text.
        is_secret: Whether nobody but the recipient may read the variables.
        user_id: The account that it is about; ``NOBODY`` if it is about none.
        recipient: The address, in deliverable form.
        expires_at: When it is of no use any more, UTC.
    """

    text: str
    language: str
    variables: Mapping[str, Any]
    is_secret: bool
    user_id: UUID
    recipient: str
    expires_at: datetime


def row_of(mail: OwnMail) -> Notification:
    """Return the row of a mail, which is not stored yet."""
    now = timezone.now()
    code = builtin.code_of(mail.text)
    variables = {name: mail.variables[name] for name in sorted(builtin.VARIABLES[mail.text])}
    return Notification(
        client=SYSTEM_CLIENT,
        kind=Kind.LIVE,
        body_digest=b"",
        correlation_id=current_id(),
        channel=Channel.EMAIL,
        user_id=mail.user_id,
        recipient=mail.recipient,
        template_code=code,
        template_version=VERSION,
        template_version_id=uuid5(TEXTS, f"{code}/{mail.language}"),
        language=mail.language,
        variables=redacted(variables) if mail.is_secret else variables,
        sensitive=mail.is_secret,
        secret_variables=variables if mail.is_secret else None,
        priority=PRIORITY,
        expires_at=mail.expires_at,
        status=Status.PENDING,
        wake_at=publisher.first_wake(now),
        created_at=now,
        updated_at=now,
    )


def store(rows: Sequence[Notification]) -> None:
    """Store mails in the current transaction, and wake a worker when it commits."""
    with transaction.atomic():
        with transaction.atomic():
            insert_accepted(rows)
        publisher.hand_over(rows)
    for row in rows:
        log_accepted(row)
