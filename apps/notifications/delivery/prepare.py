"""From claimed rows to composed messages, in a constant number of queries."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from apps.notifications.channels import email, push
from apps.notifications.delivery.eligibility import Hindrance, hindrance
from apps.notifications.delivery.retry import RULES, Rule
from apps.notifications.models import Attempt, Notification
from apps.notifications.providers.base import Mail, Outcome, Push
from apps.notifications.states import Status
from apps.templates import rendering
from apps.users import contacts
from apps.users.contacts import Contact


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """A notification with its composed messages: one mail, or one push for each device.

    Attributes:
        accepted_before: Whether a device accepted it in an earlier round.
    """

    notification: Notification
    messages: Sequence[Mail] | Sequence[Push]
    accepted_before: bool = False


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A chunk, sorted into what goes to the wire and what does not."""

    envelopes: list[Envelope] = field(default_factory=list)
    hindered: list[tuple[Notification, Hindrance]] = field(default_factory=list)


@dataclass(kw_only=True)
class PastRounds:
    """What earlier rounds of one notification settled.

    Attributes:
        devices: Devices that accepted, or refused for good.
        accepted: Whether any device accepted.
    """

    devices: set[UUID] = field(default_factory=set)
    accepted: bool = False


def prepare(rows: Sequence[Notification], *, now: datetime) -> Prepared:
    """Judge and compose a chunk of one channel."""
    people = contacts.load_contacts({row.user_id for row in rows}, channel=rows[0].channel)
    facts = rendering.load_versions({row.template_version_id for row in rows})
    # A round that was cut short by a limit, or by the death of its worker, spent no attempt.
    past = _past_rounds([row.pk for row in rows if row.attempts or row.crashes or _waited(row)])
    prepared = Prepared()
    for row in rows:
        contact = people.get(row.user_id)
        known = facts.get(row.template_version_id)
        # A version that somebody deleted by hand fails its own rows, not the whole chunk.
        found = (
            hindrance(row, contact=contact, facts=known, now=now)
            if known is not None
            else template_error("the version no longer exists")
        )
        if found is None and contact is not None and known is not None:
            composed = _compose(
                row, contact=contact, facts=known, past=past.get(row.pk, PastRounds()), now=now
            )
            if isinstance(composed, Envelope):
                prepared.envelopes.append(composed)
                continue
            found = composed
        if found is not None:
            prepared.hindered.append((row, found))
    return prepared


def _waited(row: Notification) -> bool:
    return row.next_attempt_at is not None


def template_error(detail: str) -> Hindrance:
    """Make the hindrance of a notification whose content cannot be made."""
    return Hindrance(to=Status.FAILED, reason="template_error", detail=detail)


def _compose(
    row: Notification,
    *,
    contact: Contact,
    facts: rendering.TemplateFacts,
    past: PastRounds,
    now: datetime,
) -> Envelope | Hindrance:
    try:
        content = rendering.render(row.template_version_id, row.content_variables)
    except rendering.RenderError as error:
        return template_error(str(error))
    if isinstance(content, rendering.EmailContent):
        return Envelope(
            notification=row,
            messages=email.compose(row, contact=contact, content=content, facts=facts),
        )
    messages = push.compose(row, contact=contact, content=content, settled=past.devices, now=now)
    if not messages:
        # Every device that an earlier round left open has been retired or removed since.
        if past.accepted:
            return Hindrance(to=Status.SENT, detail="the remaining devices are gone")
        return Hindrance(to=Status.FAILED, reason="unregistered", detail="no device is left")
    return Envelope(notification=row, messages=messages, accepted_before=past.accepted)


def _past_rounds(ids: Sequence[UUID]) -> dict[UUID, PastRounds]:
    past: dict[UUID, PastRounds] = defaultdict(PastRounds)
    if not ids:
        return past
    attempts = Attempt.objects.filter(notification_id__in=ids, device_id__isnull=False)
    for notification_id, device_id, outcome in attempts.values_list(
        "notification_id", "device_id", "outcome"
    ):
        rule = RULES[Outcome(outcome)]
        if device_id is not None and rule in {Rule.DONE, Rule.GIVE_UP}:
            past[notification_id].devices.add(device_id)
            past[notification_id].accepted |= rule is Rule.DONE
    return past
