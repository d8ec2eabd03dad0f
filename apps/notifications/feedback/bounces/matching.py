"""Find the notification that a report is about, and refuse a report about somebody else.

Anybody can write to the bounce mailbox. The Message-ID of a mail cannot be guessed, so a report
with it comes from somebody who got the mail; the recipient in it still has to be that of the
notification. A report in which the returned headers are cut off is found by recipient and time.
That proves nothing, so it never suppresses an address by itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet

from apps.common.callers import Kind as KeyKind
from apps.common.channels import Channel
from apps.common.ids import first_id_at
from apps.common.postgresql.one_of import OneOf
from apps.notifications.feedback import consequences
from apps.notifications.feedback.bounces.report import Kind, Recipient, Report
from apps.notifications.models import Attempt, Notification
from apps.users import contacts

# How long a mail server may try before it gives up (RFC 5321, 4.5.4.1).
GIVES_UP_AFTER = timedelta(days=5)
# How far a clock or a queue may be off.
TOLERANCE = timedelta(minutes=10)
CANDIDATES_MAX = 50
ADDRESSES_MAX = 5


@dataclass(frozen=True, kw_only=True)
class Match:
    """A notification and what the report says about its recipient.

    Attributes:
        row: The notification.
        recipient: The recipient in the report.
        address_hash: The hash of the address.
        is_proven: Whether the report has something that only the mail itself tells.
    """

    row: Notification
    recipient: Recipient
    address_hash: str
    is_proven: bool


def find(report: Report, rows: QuerySet[Notification], *, now: datetime) -> Match | None:
    """Find the mail that a report is about.

    Args:
        report: What the mail says.
        rows: The notifications that the caller may report about.
        now: The current time, UTC.
    """
    mails = rows.filter(channel=Channel.EMAIL, kind=KeyKind.LIVE)
    return (
        _by_message_id(report, mails)
        or _by_correlation_id(report, mails)
        or _by_recipient(report, mails, now=now)
    )


def _by_message_id(report: Report, mails: QuerySet[Notification]) -> Match | None:
    if not report.notification_ids:
        return None
    found = {row.pk: row for row in mails.filter(OneOf("pk", report.notification_ids))}
    rows = [found[pk] for pk in report.notification_ids if pk in found]
    return _fitting(report, rows)


def _by_correlation_id(report: Report, mails: QuerySet[Notification]) -> Match | None:
    """Some systems write a Message-ID of their own. A call may have made several mails."""
    given = report.correlation_id
    if not given or not report.recipients:
        return None
    rows = mails.filter(correlation_id=given).order_by("-pk")
    return _fitting(report, list(rows[:CANDIDATES_MAX]))


def _fitting(report: Report, rows: Sequence[Notification]) -> Match | None:
    """Return the first mail whose recipient the report names."""
    for row, hashes in _with_hashes(rows):
        for recipient in report.recipients:
            named = [contacts.address_hash(address) for address in recipient.addresses]
            hashed = next((one for one in named if one in hashes), None)
            if hashed is None and not named and report.kind is Kind.COMPLAINT:
                # The address is often left out of complaints. The headers of the mail tell enough.
                has_headers = report.correlation_id == row.correlation_id
                hashed = hashes[0] if has_headers and hashes else None
            if hashed is not None:
                return Match(row=row, recipient=recipient, address_hash=hashed, is_proven=True)
    return None


def _with_hashes(rows: Sequence[Notification]) -> Iterator[tuple[Notification, list[str]]]:
    """Yield the mails for which a provider was called, with the hashes of their addresses."""
    calls = consequences.calls_for([row.pk for row in rows])
    for row in rows:
        if not consequences.was_called_for(row, calls):
            continue
        hashes = [hashed for hashed in calls.get(row.pk, ()) if hashed is not None]
        if row.pk not in calls:
            address = row.recipient
            if address is None:
                person = contacts.load_contacts([row.user_id], channel="push").get(row.user_id)
                address = person.email if person else None
            hashes = [contacts.address_hash(address)] if address else []
        yield row, hashes


def _by_recipient(report: Report, mails: QuerySet[Notification], *, now: datetime) -> Match | None:
    """Find the latest mail to a recipient before the reporting server got it."""
    if report.kind is not Kind.BOUNCE or report.notification_ids or report.correlation_id:
        return None
    at = min(report.arrived_at or report.reported_at or now, now)
    earliest = at - (TOLERANCE if report.arrived_at else GIVES_UP_AFTER)
    named = [(one, recipient) for recipient in report.recipients for one in recipient.addresses]
    for address, recipient in named[:ADDRESSES_MAX]:
        user_id = contacts.user_of_address(address)
        if user_id is None:
            continue
        # A notification may be older than the attempt that came back.
        recent = mails.filter(user_id=user_id, pk__gte=first_id_at(earliest - GIVES_UP_AFTER))
        ids = list(recent.order_by("-pk").values_list("pk", flat=True)[:CANDIDATES_MAX])
        hashed = contacts.address_hash(address)
        calls = Attempt.objects.filter(
            OneOf("notification_id", ids),
            address_hash=hashed,
            started_at__gte=earliest,
            started_at__lte=at + TOLERANCE,
        )
        call = calls.order_by("-started_at").select_related("notification").first()
        if call is not None:
            row = call.notification
            return Match(row=row, recipient=recipient, address_hash=hashed, is_proven=False)
    return None
