"""What a report about a recipient means, by the same table as a reply of an SMTP server."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from apps.notifications.feedback.bounces.report import Action, Kind, Recipient
from apps.notifications.feedback.events import ReceiptEvent
from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.base import provider_words
from apps.notifications.providers.smtp.replies import Stage, classify

CODE = re.compile(r"([245]\d\d)[ -]?")
STATUS_FIRST = re.compile(r"#?([245]\.\d{1,3}\.\d{1,3})[ ):]*")
# Statuses that say only that it failed; a server's own words may say more.
GENERAL = re.compile(r"[45]\.[0-9]\.0$|[45]\.0\.0$")
# The reply code that a status without one stands for.
CODES: Mapping[str, int] = {"4": 451, "5": 550, "2": 250}
# The events of refusals; whatever passed in a session is a soft bounce in a report, because the
# reporting server has given up.
EVENTS: Mapping[Outcome, ReceiptEvent] = {
    Outcome.DEAD_ADDRESS: ReceiptEvent.BOUNCED,
    Outcome.REJECTED: ReceiptEvent.FAILED,
    Outcome.CONFIGURATION: ReceiptEvent.FAILED,
    Outcome.DEFECT: ReceiptEvent.FAILED,
}


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What happened, the reason of the ending, and the other server's words."""

    event: ReceiptEvent
    reason: str = ""
    detail: str = ""


def meaning_of(kind: Kind, recipient: Recipient) -> Meaning:
    """Return what a report says about a recipient."""
    if kind is Kind.COMPLAINT:
        detail = provider_words(recipient.words, *recipient.addresses)
        return Meaning(event=ReceiptEvent.COMPLAINED, detail=detail)
    detail = provider_words(f"{recipient.status} {recipient.words}", *recipient.addresses)
    if recipient.action is Action.FAILED:
        event, reason = _refusal(recipient)
        return Meaning(event=event, reason=reason, detail=detail)
    event = {
        Action.DELAYED: ReceiptEvent.DEFERRED,
        Action.DELIVERED: ReceiptEvent.DELIVERED,
    }.get(recipient.action, ReceiptEvent.UNKNOWN)
    return Meaning(event=event, detail=detail)


def _refusal(recipient: Recipient) -> tuple[ReceiptEvent, str]:
    words = recipient.words
    code = CODE.match(words)
    rest = words[code.end() :] if code else words
    own = STATUS_FIRST.match(rest)
    rest = rest[own.end() :] if own else rest
    status = recipient.status
    if own and (not status or GENERAL.match(status)):
        status = own[1]
    number = int(code[1]) if code else CODES.get(status[:1], 550)
    if status and str(number)[0] != status[0]:
        # The status decides (RFC 3463). A server that gives up after days reports its last reply.
        number = CODES.get(status[0], 550)
    reply = classify(number, f"{status} {rest}".strip(), Stage.RCPT, *recipient.addresses)
    event = EVENTS.get(reply.outcome, ReceiptEvent.SOFT_BOUNCED)
    if event is ReceiptEvent.SOFT_BOUNCED:
        return event, reply.reason if reply.reason == "mailbox_full" else ""
    return event, reply.reason
