"""Take one mail of the bounce mailbox."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from django.db.models import QuerySet

from apps.notifications.feedback.bounces import matching
from apps.notifications.feedback.bounces.meaning import Meaning, meaning_of
from apps.notifications.feedback.bounces.mime import EXAMINED_BYTES
from apps.notifications.feedback.bounces.report import Report, read_report
from apps.notifications.feedback.event_batches import Named, take_all
from apps.notifications.feedback.events import ProviderEvent, ReceiptEvent
from apps.notifications.models import Notification
from apps.users import contacts

log = structlog.get_logger(__name__)

PROVIDER = "dsn"
# The reason of a bounce of which only the recipient and the time are known.
UNPROVEN_BOUNCE = "hard_bounce"


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What a mail was.

    Attributes:
        event: A ``ReceiptEvent``, or the ``Kind`` of a mail that reports nothing.
        notification_id: The notification that it is about; None if none was found.
    """

    event: str
    notification_id: UUID | None = None


def take(raw: bytes, rows: QuerySet[Notification], *, now: datetime) -> Taken:
    """Take a mail. Repeating it changes nothing.

    Args:
        raw: The mail as it arrived; what follows the first megabyte is not read.
        rows: The notifications that the caller may report about.
        now: The current time, UTC.
    """
    report = read_report(raw)
    if not report.recipients:
        log.info("a mail reports nothing", kind=report.kind.value)
        return Taken(event=report.kind.value)
    match = matching.find(report, rows, now=now)
    recipient = match.recipient if match is not None else report.recipients[0]
    meaning = meaning_of(report.kind, recipient)
    event = ProviderEvent(
        provider=PROVIDER,
        event=_recorded(meaning, match),
        occurred_at=min(report.reported_at or now, now),
        detail=meaning.detail,
        reason=_reason(meaning, match),
        event_id=_event_id(raw, report, match, meaning),
        address_hash=match.address_hash if match is not None else _first_hash(report),
    )
    notification_id = match.row.pk if match is not None else None
    take_all([Named(notification_id=notification_id, event=event)])
    log.info(
        "a report taken",
        kind=report.kind.value,
        receipt=meaning.event.value,
        notification_id=str(notification_id) if notification_id else None,
        proven=match is not None and match.is_proven,
    )
    return Taken(event=meaning.event.value, notification_id=notification_id)


def _is_doubtful(meaning: Meaning, match: matching.Match | None) -> bool:
    """Return whether an address would be suppressed by what anybody can write."""
    return match is not None and not match.is_proven and meaning.event is ReceiptEvent.BOUNCED


def _recorded(meaning: Meaning, match: matching.Match | None) -> ReceiptEvent:
    return ReceiptEvent.SOFT_BOUNCED if _is_doubtful(meaning, match) else meaning.event


def _reason(meaning: Meaning, match: matching.Match | None) -> str:
    return UNPROVEN_BOUNCE if _is_doubtful(meaning, match) else meaning.reason


def _event_id(raw: bytes, report: Report, match: matching.Match | None, meaning: Meaning) -> str:
    """Return the same id for the same report, whatever a server that hands it on adds to it."""
    about = str(match.row.pk) if match is not None else ""
    own = report.own_id or hashlib.sha256(raw[:EXAMINED_BYTES]).hexdigest()
    whole = f"{own}\n{about}\n{meaning.event.value}"
    return hashlib.sha256(whole.encode("utf-8", "replace")).hexdigest()


def _first_hash(report: Report) -> str | None:
    addresses = [one for recipient in report.recipients for one in recipient.addresses]
    return contacts.address_hash(addresses[0]) if addresses else None
