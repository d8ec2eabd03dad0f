"""Tell operators by mail: one mail to each address of ``OPERATOR_EMAILS``.

The mails are notifications like all others. So they are retried, sent by the next provider while a
breaker is open, and judged by the suppression list.

A mail that cannot be sent now is worth nothing when it arrives after the condition is over. So the
mail that raises a notice is made only while an e-mail provider takes calls, and is cancelled when
the condition goes before it was sent; it is made again if the condition returns. An expiry alone
would not do: nobody knows beforehand how long a condition lasts. The mail that says that it is over
is made in any case. If the first one was never sent, it is the only one, and says both: what
happened, from when to when.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from apps.common.channels import Channel
from apps.notifications.flow_control import control
from apps.notifications.flow_control.breakers import State
from apps.notifications.intake import own_mails
from apps.notifications.intake.own_mails import OwnMail
from apps.notifications.lifecycle.states import CANCELLABLE, Status
from apps.notifications.lifecycle.transitions import advance_with_event
from apps.notifications.models import Notice, Notification
from apps.notifications.models.notification import NOBODY
from apps.notifications.notices import conditions
from apps.notifications.notices.conditions import WORDINGS
from apps.templates.rendering import builtin
from apps.users import contacts

RAISED, OVER = "notice-raised", "notice-over"
# The longest that a mail waits: nobody needs the alarm of last week.
KEPT = timedelta(days=3)


class InFlightError(Exception):
    """A worker is sending the mail right now, so it cannot be cancelled."""


def tell(notice: Notice) -> None:
    """Make the mails of a notice that was raised, or is over, in the current transaction.

    Of one that was raised, each address gets one, however often this is called.

    Raises:
        InFlightError: The notice is over, and a worker is sending the mail that raised it.
    """
    if notice.over_at is None:
        untold = untold_of(notice)
        if untold and can_be_sent():
            notice.mails = {**notice.mails, **_send(notice, RAISED, untold)}
            notice.save(update_fields=["mails"])
        return
    withdraw(notice)
    _send(notice, OVER, addresses())


def untold_of(notice: Notice) -> list[str]:
    """Return the addresses to which no mail was made that raises the notice."""
    return [each for each in addresses() if contacts.address_hash(each) not in notice.mails]


def withdraw(notice: Notice) -> None:
    """Cancel the mails that raised a notice and were not sent, in the current transaction.

    Raises:
        InFlightError: A worker is sending one of them.
    """
    ids = [UUID(pk) for pk in notice.mails.values()]
    if not ids:
        return
    rows = Notification.objects.filter(pk__in=ids).order_by("pk").select_for_update()
    statuses = dict(rows.values_list("pk", "status"))
    if Status.SENDING in statuses.values():
        raise InFlightError
    waiting = [pk for pk, status in statuses.items() if status in CANCELLABLE]
    if waiting:
        advance_with_event(
            waiting,
            to=Status.CANCELLED,
            now=timezone.now(),
            detail="the condition was gone before operators could be told",
            reason="cancelled",
        )
        gone = {str(pk) for pk in waiting}
        notice.mails = {each: pk for each, pk in notice.mails.items() if pk not in gone}
        notice.save(update_fields=["mails"])


def can_be_sent() -> bool:
    """Return whether any e-mail provider takes calls now."""
    return any(
        provider.limit.paused_until is None
        and all(breaker.state is State.CLOSED for breaker in provider.breakers)
        for provider in control.configured()
        if provider.channel is Channel.EMAIL
    )


def _send(notice: Notice, text: str, to: Collection[str]) -> dict[str, str]:
    """Store a mail to each address, and return their ids by the hashes of the addresses."""
    rows = {
        address: own_mails.row_of(
            OwnMail(
                text=text,
                language=builtin.DEFAULT_LANGUAGE,
                variables=variables_of(notice),
                is_secret=False,
                user_id=NOBODY,
                recipient=address,
                expires_at=timezone.now() + KEPT,
            )
        )
        for address in to
    }
    if rows:
        own_mails.store(list(rows.values()))
    return {contacts.address_hash(address): str(row.pk) for address, row in rows.items()}


def addresses() -> Collection[str]:
    """Return the addresses of operators."""
    found: list[str] = settings.OPERATOR_EMAILS
    return found


def variables_of(notice: Notice) -> dict[str, str]:
    """Return the variables of both texts."""
    wording = WORDINGS[notice.condition]
    about = (notice.condition, notice.subject, notice.facts)
    until = notice.clear_since or timezone.now()
    return {
        "where": settings.PUBLIC_URL.partition("://")[2],
        "title": _line(conditions.title(*about)),
        "said": _line(conditions.said(*about)),
        "over": _line(conditions.over(*about)),
        "since": _moment(notice.since),
        "until": _moment(until),
        "lasted": conditions.waited(max(0.0, (until - notice.since).total_seconds())),
        "advice": wording.advice,
        "page": wording.page_word,
        "link": f"{settings.PUBLIC_URL}{wording.page}",
        "runbook": wording.runbook,
    }


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _line(text: str) -> str:
    """Keep a text on one line: names may come from clients."""
    return " ".join(text.split())
