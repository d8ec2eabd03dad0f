"""What a mail to the bounce mailbox says: about which mail, to whom, and what became of it.

Most programs write a report for programs beside their words for people (RFC 3464, RFC 5965). qmail,
old releases of Exim and others write only words, in any language; there the codes of the replies
are read.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from uuid import UUID

from apps.common.ids import as_uuid
from apps.notifications.feedback.bounces.mime import Part, decoded, fields_of, groups_of, read


class Kind(StrEnum):
    """What kind of mail it is."""

    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    AUTO_REPLY = "auto_reply"
    OTHER = "other"


class Action(StrEnum):
    """What became of the mail (RFC 3464, 2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    OTHER = "other"


ACTIONS: Mapping[str, Action] = {
    "failed": Action.FAILED,
    "delayed": Action.DELAYED,
    "delivered": Action.DELIVERED,
    # Handed to a system that reports nothing, or to several recipients.
    "relayed": Action.OTHER,
    "expanded": Action.OTHER,
}
# The kinds of feedback that are no complaint of a recipient (RFC 5965, 7.3; RFC 6591).
NO_COMPLAINT = frozenset({"not-spam", "auth-failure", "virus", "dmarc"})
RETURNED_TYPES = frozenset(
    {
        "message/rfc822",
        "message/global",
        "text/rfc822-headers",
        "message/rfc822-headers",
        "message/global-headers",
    }
)
STATUS_TYPES = frozenset({"message/delivery-status", "message/global-delivery-status"})
# The Message-ID of a mail of ours, wherever it stands; see ``compose.email.message_id_for``.
OUR_ID = re.compile(
    r"<([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})@[^<>\s]{1,253}>", re.IGNORECASE
)
ADDRESS = re.compile(r"[^\s<>,;:\"()\[\]]{1,64}@[^\s<>,;:\"()\[\]]{1,253}")
IN_BRACKETS = re.compile(r"<([^\s<>@]{1,64}@[^\s<>@]{1,253})>")
STATUS = re.compile(r"\b[245]\.\d{1,3}\.\d{1,3}\b")
# "550 5.1.1 ...", "550-5.1.1 ...", "#5.1.1", "(reason: 550 ...)", "554: 5.7.9".
REPLY = re.compile(r"(?<![\d.])([45]\d\d)(?:[ -]|: ?)|#([45]\.\d{1,3}\.\d{1,3})")
DAEMONS = re.compile(r"\b(mailer-daemon|mail-daemon|maildaemon|postmaster|mdaemon)", re.IGNORECASE)
DELAY_WORDS = re.compile(
    r"\b(delayed|not yet been delivered|could not send message for past|will be retried)\b",
    re.IGNORECASE,
)
# How much of the words for people is read.
WORDS_MAX_CHARACTERS = 32_000
RECIPIENTS_MAX = 20


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """What a report says about one recipient.

    Attributes:
        addresses: How the report names the recipient; a forwarded one has two names.
        action: What became of the mail.
        status: The enhanced status (RFC 3463); empty if it is not given.
        words: What the other server said.
    """

    addresses: Sequence[str]
    action: Action
    status: str = ""
    words: str = ""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a mail says.

    Attributes:
        kind: What it is.
        recipients: Whom it is about.
        notification_ids: The notifications whose Message-ID is in it, the likeliest first.
        correlation_id: The X-Correlation-ID of the mail that came back; empty if it is cut off.
        arrived_at: When the reporting server got the mail, if it says so.
        reported_at: The time of the report, if it is readable.
        own_id: The Message-ID of the report itself.
    """

    kind: Kind
    recipients: Sequence[Recipient] = ()
    notification_ids: Sequence[UUID] = ()
    correlation_id: str = ""
    arrived_at: datetime | None = None
    reported_at: datetime | None = None
    own_id: str = ""


def read_report(raw: bytes) -> Report:
    """Read a mail. One that is nothing of all this has the kind ``OTHER``."""
    head, *others = read(raw)
    parts = [head, *others]
    status = next((part for part in parts if part.content_type in STATUS_TYPES), None)
    feedback = next(
        (part for part in parts if part.content_type == "message/feedback-report"), None
    )
    returned = _returned(parts)
    if feedback is not None:
        groups = groups_of(feedback.text)
        fields = groups[0] if groups else {}
        kind = _feedback_kind(fields)
        recipients = [_complainant(fields, returned)] if kind is Kind.COMPLAINT else []
        arrived = fields.get("arrival-date") or fields.get("received-date")
    elif status is not None:
        groups = groups_of(status.text)
        kind, recipients = Kind.BOUNCE, _recipients(groups, head)
        arrived = next((group["arrival-date"] for group in groups if "arrival-date" in group), "")
    else:
        recipients = _from_words(head, parts)
        kind = Kind.BOUNCE if recipients else _other_kind(head)
        arrived = ""
    return Report(
        kind=kind,
        recipients=recipients[:RECIPIENTS_MAX],
        notification_ids=_notification_ids(head, parts, returned),
        correlation_id=returned.get("x-correlation-id", ""),
        arrived_at=_time(arrived),
        reported_at=_time(head.headers.get("date")),
        own_id=head.headers.get("message-id", ""),
    )


def _returned(parts: Sequence[Part]) -> Mapping[str, str]:
    """Return the headers of the mail that came back."""
    for part in parts:
        if part.content_type in RETURNED_TYPES:
            return fields_of(part.text.lstrip("\r\n"))
    return {}


def _notification_ids(head: Part, parts: Sequence[Part], returned: Mapping[str, str]) -> list[UUID]:
    """Return the ids in the returned headers, then those that the report refers to or quotes."""
    places = [returned.get("message-id", ""), head.headers.get("in-reply-to", "")]
    places += [head.headers.get("references", "")]
    places += [part.text for part in parts]
    found: dict[UUID, None] = {}
    for place in places:
        for text in OUR_ID.findall(place)[:RECIPIENTS_MAX]:
            identifier = as_uuid(text)
            if identifier is not None:
                found.setdefault(identifier)
    return list(found)[:RECIPIENTS_MAX]


def _recipients(groups: Sequence[Mapping[str, str]], head: Part) -> list[Recipient]:
    failed = ADDRESS.findall(head.headers.get("x-failed-recipients", ""))
    return [
        Recipient(
            addresses=[
                *_typed_address(group.get("final-recipient", "")),
                *_typed_address(group.get("original-recipient", "")),
                *failed,
            ],
            action=ACTIONS.get(group.get("action", "").split(" ")[0].strip().lower(), Action.OTHER),
            status=_first(STATUS, group.get("status", "")),
            words=group.get("diagnostic-code", "").partition(";")[2].strip(),
        )
        for group in groups
        if "action" in group or "final-recipient" in group
    ]


def _typed_address(field: str) -> list[str]:
    """Return the spellings of an address such as ``rfc822; alice@example.com`` (RFC 3461, 4.2)."""
    _, semicolon, value = field.partition(";")
    text = decoded(value if semicolon else field).strip().strip("<>")
    plain = re.sub(r"\+([0-9A-F]{2})", lambda found: chr(int(found[1], 16)), text)
    return [one for one in dict.fromkeys((text, plain)) if "@" in one]


def _feedback_kind(fields: Mapping[str, str]) -> Kind:
    kind = fields.get("feedback-type", "abuse").strip().lower()
    return Kind.OTHER if kind in NO_COMPLAINT else Kind.COMPLAINT


def _complainant(fields: Mapping[str, str], returned: Mapping[str, str]) -> Recipient:
    """Return who complained; many providers leave the address out, on purpose."""
    named = (
        fields.get("original-rcpt-to", ""),
        fields.get("removal-recipient", ""),
        returned.get("x-hmxmroriginalrecipient", ""),
    )
    return Recipient(
        addresses=[address for text in named for address in ADDRESS.findall(decoded(text))],
        action=Action.OTHER,
        words=fields.get("feedback-type", ""),
    )


def _from_words(head: Part, parts: Sequence[Part]) -> list[Recipient]:
    """Return the recipients of a bounce that is written for people only."""
    failed = ADDRESS.findall(head.headers.get("x-failed-recipients", ""))
    sender = f"{head.headers.get('from', '')} {head.headers.get('sender', '')}"
    if not failed and not DAEMONS.search(sender):
        return []
    text = "\n".join(part.text[:WORDS_MAX_CHARACTERS] for part in parts)[:WORDS_MAX_CHARACTERS]
    # What follows is the mail that came back, whose codes mean nothing.
    for end in ("--- Below this line", "------ This is a copy", "Unsent message follows"):
        text = text.partition(end)[0]
    reply = REPLY.search(text)
    if reply is None and not failed:
        return []
    begin = reply.start() if reply else 0
    words = " ".join(text[begin : begin + 500].split()).lstrip("#")
    is_late = reply is None or DELAY_WORDS.search(text) is not None
    return [
        Recipient(
            addresses=list(dict.fromkeys(failed or IN_BRACKETS.findall(text)[:RECIPIENTS_MAX])),
            action=Action.DELAYED if is_late and not failed else Action.FAILED,
            status=_first(STATUS, words),
            words=words,
        )
    ]


def _other_kind(head: Part) -> Kind:
    """Return whether a mail is one that a program answered with (RFC 3834, 5)."""
    submitted = head.headers.get("auto-submitted", "no").split(";")[0].strip().lower()
    precedence = head.headers.get("precedence", "").strip().lower()
    named = {"x-autoreply", "x-autorespond", "x-autoresponder", "x-auto-response-suppress"}
    if submitted != "no" or precedence == "auto_reply" or named & head.headers.keys():
        return Kind.AUTO_REPLY
    return Kind.OTHER


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[0] if found else ""


def _time(text: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(text or "")
    except (ValueError, TypeError, OverflowError):
        return None
    try:
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
