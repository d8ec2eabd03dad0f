"""What became of a message: one sentence, and its timeline in words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from apps.common.channels import Channel
from apps.desk.templatetags.desk import LOOKS
from apps.notifications.feedback.events import ReceiptEvent
from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.lifecycle.reasons import STATUSES, explained
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Attempt, Notification

# What an outcome of a call says, and how it looks.
OUTCOMES: Mapping[str, tuple[str, str]] = {
    Outcome.ACCEPTED: ("took it", "good"),
    Outcome.TRANSIENT: ("asked to try again later", "late"),
    Outcome.RATE_LIMITED: ("asked for fewer messages", "late"),
    Outcome.UNKNOWN: ("did not answer, so it may have arrived", "late"),
    Outcome.DEAD_ADDRESS: ("says that the address does not exist", "bad"),
    Outcome.REJECTED: ("refused it", "bad"),
    Outcome.UNAVAILABLE: ("took no message at the time", "late"),
    Outcome.CONFIGURATION: ("did not accept our settings", "bad"),
    Outcome.DEFECT: ("did not understand it", "bad"),
}


# Who reports something, where the name of the provider is no word for people.
REPORTERS: Mapping[str, str] = {"dsn": "A mail server", "app": "The app", "receipt": "A system"}
# What each report says, and how it looks.
REPORTS: Mapping[str, tuple[str, str]] = {
    ReceiptEvent.ACCEPTED: ("took it", ""),
    ReceiptEvent.DEFERRED: ("could not deliver it yet and tries again", "late"),
    ReceiptEvent.DELIVERED: ("delivered it", "good"),
    ReceiptEvent.OPENED: ("saw that it was opened", "good"),
    ReceiptEvent.CLICKED: ("saw that a link in it was opened", "good"),
    ReceiptEvent.FAILED: ("could not deliver it", "bad"),
    ReceiptEvent.DROPPED: ("did not send it", "bad"),
    ReceiptEvent.BOUNCED: ("says that the address does not exist", "bad"),
    ReceiptEvent.SOFT_BOUNCED: ("sent it back, for a reason that may pass", "bad"),
    ReceiptEvent.COMPLAINED: ("says that the recipient reported it as spam", "bad"),
    ReceiptEvent.UNSUBSCRIBED: ("says that the recipient wants no more mail", "late"),
    ReceiptEvent.GROUP_UNSUBSCRIBED: ("says that the recipient wants no more of this kind", "late"),
    ReceiptEvent.GROUP_RESUBSCRIBED: ("says that the recipient wants mail of this kind again", ""),
    ReceiptEvent.UNKNOWN: ("reported something that has no meaning here", ""),
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One entry of the timeline.

    Attributes:
        at: When it happened, or when it will.
        title: What happened, as a short sentence.
        detail: What the provider or the service said.
        look: ``good``, ``bad``, ``late``, or empty.
        is_ahead: Whether it has not happened yet.
    """

    at: datetime
    title: str
    detail: str = ""
    look: str = ""
    is_ahead: bool = False


def ending(row: Notification, *, name: str, provider: str) -> str:
    """Return what became of a message, in one sentence.

    Args:
        row: The message.
        name: How the recipient is called; empty if they are not known or may not be seen.
        provider: Who was called last; empty before the first attempt.
    """
    who = name or ("The operator" if row.for_operators else "The recipient")
    what = "push" if row.channel == Channel.PUSH else "mail"
    by = f" by {provider}" if provider else ""
    said = {
        Status.SCHEDULED: "It is planned for a later time.",
        Status.PENDING: f"The {what} waits for a worker.",
        Status.SENDING: f"The {what} is being sent{by}.",
        Status.RETRYING: f"The {what} could not be sent yet and is tried again.",
        Status.SENT: f"{provider or 'The provider'} took the {what}; nothing says yet whether it "
        "arrived.",
        Status.DELIVERED: f"{who} got the {what}{by}.",
        Status.BOUNCED: f"The {what} came back.",
        Status.FAILED: f"The {what} could not be sent.",
        Status.SKIPPED: f"{who} was sent nothing.",
        Status.EXPIRED: f"The {what} was too late to be sent.",
        Status.CANCELLED: f"The {what} was cancelled.",
    }[Status(row.status)]
    reason = explained(row.reason).sentence if row.reason else ""
    return f"{said} {reason}".strip()


def steps(row: Notification, devices: dict[UUID, str], *, now: datetime) -> list[Step]:
    """Return the timeline in words, ordered by time, with the next try at its end.

    Args:
        row: The message.
        devices: The words for the recipient's devices, by id.
        now: The current time, UTC.
    """
    calls = list(row.attempt_rows.all())
    found = [Step(at=row.created_at, title=_accepted(row))]
    found += [_call(call, devices) for call in calls]
    found += [
        Step(
            at=receipt.received_at,
            title=reported(receipt.provider, receipt.event),
            detail=receipt.detail,
            look=REPORTS.get(receipt.event, ("", ""))[1],
        )
        for receipt in row.receipts.all()
    ]
    found += [
        Step(
            at=event.at,
            title=STATUSES[Status(event.status)] if _is_status(event.status) else event.status,
            detail=event.detail,
            look=_look(event.status),
        )
        for event in row.events.all()
    ]
    return [*sorted(found, key=lambda step: step.at), *_ahead(row, calls, now)]


def reported(provider: str, event: str) -> str:
    """Return what somebody reported, as a sentence."""
    words, _ = REPORTS.get(event, (f"reported: {event}", ""))
    return f"{REPORTERS.get(provider, provider)} {words}"


def _accepted(row: Notification) -> str:
    if row.replay_of is not None:
        return "Replayed: this is a new copy of an earlier message"
    if row.for_operators:
        return "Made by the system, for its operators"
    return f"Accepted from {row.client}" if row.recipient is None else "Requested by the recipient"


def _call(call: Attempt, devices: dict[UUID, str]) -> Step:
    words, look = OUTCOMES.get(call.outcome, (call.outcome, ""))
    device = f" ({devices.get(call.device_id, 'a device that is gone')})" if call.device_id else ""
    said = " ".join(word for word in (call.code, call.detail) if word)
    return Step(
        at=call.started_at,
        title=f"Attempt {call.number}: {call.provider} {words}{device}, after "
        f"{call.duration_ms:,} ms",
        detail=said,
        look=look,
    )


def _ahead(row: Notification, calls: Sequence[Attempt], now: datetime) -> Iterator[Step]:
    """Yield what is still to come."""
    if row.status == Status.SCHEDULED and row.wake_at is not None and row.wake_at > now:
        yield Step(at=row.wake_at, title="It will be sent", is_ahead=True)
    elif row.status == Status.RETRYING and row.next_attempt_at is not None:
        number = max((call.number for call in calls), default=0) + 1
        yield Step(at=row.next_attempt_at, title=f"Attempt {number} is planned", is_ahead=True)
    if row.status in {Status.SCHEDULED, Status.RETRYING, Status.PENDING} and row.expires_at:
        yield Step(at=row.expires_at, title="After this it is not sent any more", is_ahead=True)


def _is_status(word: str) -> bool:
    return word in set(Status)


def _look(word: str) -> str:
    return LOOKS[Status(word)][0] if _is_status(word) else ""
