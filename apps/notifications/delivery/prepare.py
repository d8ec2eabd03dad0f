"""Compose the messages of claimed rows with a constant number of queries."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import structlog
from django.db import Error

from apps.common.channels import Channel
from apps.notifications.delivery import own_recipients
from apps.notifications.delivery.compose import email, push, reserved
from apps.notifications.delivery.decide import USER_ERASED, Decision, decide, skipped
from apps.notifications.delivery.retry_policy import RULES, Rule
from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Attempt, Notification
from apps.notifications.providers.base import Mail, Push
from apps.templates import rendering
from apps.users import contacts
from apps.users.contacts import Contact

log = structlog.get_logger(__name__)

# The rule by the stored outcome value. An unknown value settles nothing.
RULE_OF = {outcome.value: rule for outcome, rule in RULES.items()}


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """A notification with its composed messages: one mail, or one push for each device.

    Attributes:
        accepted_before: Whether the provider accepted it for a device in an earlier round.
        unknown_before: The number of earlier calls of a mail with an unknown outcome.
    """

    notification: Notification
    messages: Sequence[Mail] | Sequence[Push]
    accepted_before: bool = False
    unknown_before: int = 0


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A chunk, split into messages to send and notifications that are not sent now."""

    envelopes: list[Envelope] = field(default_factory=list)
    held_back: list[tuple[Notification, Decision]] = field(default_factory=list)


@dataclass(kw_only=True)
class PastRounds:
    """The results of earlier rounds of one notification.

    Attributes:
        devices: Devices for which the provider accepted the message or refused it permanently.
        accepted: Whether the provider accepted the mail, or the push for any device.
        unknown: The number of calls with an unknown outcome.
    """

    devices: set[UUID] = field(default_factory=set)
    accepted: bool = False
    unknown: int = 0


def prepare(rows: Sequence[Notification], *, now: datetime) -> Prepared:
    """Check and compose a chunk of one channel.

    Args:
        rows: Claimed rows of one channel.
        now: The current time of the database's clock, UTC.
    """
    people = contacts.load_contacts({row.user_id for row in rows}, channel=rows[0].channel)
    facts = rendering.load_versions(
        {row.template_version_id for row in rows if row.recipient is None}
    )
    addressees = own_recipients.addressees(rows, people)
    # A round that was interrupted by a rate limit or a worker crash used no attempt, so the
    # attempt counter alone does not show that there were earlier calls.
    past = _past_rounds([row.pk for row in rows if row.attempts or row.crashes or _waited(row)])
    prepared = Prepared()
    for row in rows:
        made = _envelope_or_decision(
            row,
            contact=addressees.get(row.pk) or people.get(row.user_id),
            facts=(
                facts.get(row.template_version_id)
                if row.recipient is None
                else own_recipients.facts_of(row)
            ),
            past=past.get(row.pk, PastRounds()),
            now=now,
        )
        if isinstance(made, Envelope):
            prepared.envelopes.append(made)
        else:
            prepared.held_back.append((row, made))
    return prepared


def _envelope_or_decision(
    row: Notification,
    *,
    contact: Contact | None,
    facts: rendering.TemplateFacts | None,
    past: PastRounds,
    now: datetime,
) -> Envelope | Decision:
    """Check and compose one notification. An error in it does not affect others in the chunk."""
    if past.accepted and row.channel == Channel.EMAIL:
        # An attempt was recorded by a worker whose lease had expired: never send the mail again.
        return Decision(to=Status.SENT, detail="the provider had accepted it before")
    if facts is None:
        # The template version was deleted manually.
        return template_error("the version no longer exists")
    try:
        found = decide(row, contact=contact, facts=facts, now=now)
        if found is not None or contact is None:
            return found or skipped(USER_ERASED, "the user no longer exists")
        return compose(row, contact=contact, facts=facts, past=past, now=now)
    except Error:
        raise
    except Exception as error:
        log.exception("notification cannot be composed", notification_id=str(row.pk))
        words = f"it cannot be composed: {type(error).__name__}"
        return Decision(to=Status.FAILED, reason="defect", detail=words)


def _waited(row: Notification) -> bool:
    return row.next_attempt_at is not None


def template_error(detail: str) -> Decision:
    """Build the decision for a notification whose content cannot be rendered."""
    return Decision(to=Status.FAILED, reason="template_error", detail=detail)


def compose(
    row: Notification,
    *,
    contact: Contact,
    facts: rendering.TemplateFacts,
    past: PastRounds,
    now: datetime,
) -> Envelope | Decision:
    """Render and address one notification; a decision if that is not possible."""
    try:
        content = (
            rendering.render(
                row.template_version_id,
                row.content_variables,
                reserved=lambda: reserved.objects_for(row, contact=contact, facts=facts),
                timezone=contact.timezone,
            )
            if row.recipient is None
            else own_recipients.content_of(row)
        )
    except rendering.RenderError as error:
        return template_error(str(error))
    if isinstance(content, rendering.EmailContent):
        return Envelope(
            notification=row,
            messages=email.compose(row, contact=contact, content=content, facts=facts),
            unknown_before=past.unknown,
        )
    messages = push.compose(row, contact=contact, content=content, settled=past.devices, now=now)
    if not messages:
        # All devices that earlier rounds did not settle have been retired or removed since.
        if past.accepted:
            return Decision(to=Status.SENT, detail="the remaining devices are gone")
        return Decision(to=Status.FAILED, reason="unregistered", detail="no device is left")
    return Envelope(notification=row, messages=messages, accepted_before=past.accepted)


def _past_rounds(ids: Sequence[UUID]) -> dict[UUID, PastRounds]:
    past: dict[UUID, PastRounds] = defaultdict(PastRounds)
    if not ids:
        return past
    attempts = Attempt.objects.filter(notification_id__in=ids)
    for notification_id, device_id, outcome in attempts.values_list(
        "notification_id", "device_id", "outcome"
    ):
        rule = RULE_OF.get(outcome)
        known = past[notification_id]
        known.accepted |= rule is Rule.DONE
        known.unknown += outcome == Outcome.UNKNOWN
        if device_id is not None and rule in {Rule.DONE, Rule.GIVE_UP}:
            known.devices.add(device_id)
    return past
