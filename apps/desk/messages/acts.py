"""What staff can do with messages: replay, cancel, and send themselves a copy."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest

from apps.common.callers import Caller
from apps.common.channels import Channel
from apps.common.rest.problems import Problem
from apps.desk import audit
from apps.desk.results import Result
from apps.notifications.dead_letters import resend
from apps.notifications.intake import accept
from apps.notifications.intake.cancel import cancel
from apps.notifications.intake.requests import SendRequest
from apps.notifications.lifecycle.states import CANCELLABLE, REPLAYABLE, UNKNOWN_OUTCOME, Status
from apps.notifications.models import Notification

VIEW_CONTENT = "desk.view_content"
# The most messages that one question is about: those of a page.
AT_ONCE = 50
# Somebody is waiting for it.
COPY_PRIORITY = 9


@dataclass(frozen=True, kw_only=True)
class Act:
    """One thing that can be done.

    Attributes:
        name: Its name in addresses.
        word: What the button says.
        done: The past participle, for the result.
        permissions: What a user needs.
        statuses: The statuses in which it is possible.
        trail: The act in the audit trail.
        asks: What the question says besides the number.
    """

    name: str
    word: str
    done: str
    permissions: tuple[str, ...]
    statuses: frozenset[Status]
    trail: str
    asks: str


ACTS: Mapping[str, Act] = {
    act.name: act
    for act in (
        Act(
            name="replay",
            word="Replay",
            done="replayed",
            permissions=("notifications.add_notification",),
            statuses=REPLAYABLE,
            trail="replayed",
            asks="Each is sent once more as a new message with the same content, to the addresses "
            "that the recipient has now. A new message can be cancelled as long as it waits.",
        ),
        Act(
            name="cancel",
            word="Cancel",
            done="cancelled",
            permissions=("notifications.change_notification",),
            statuses=CANCELLABLE,
            trail="cancelled",
            asks="They are not sent. This cannot be undone; a cancelled message can be replayed.",
        ),
        Act(
            name="copy",
            word="Send to me",
            done="sent to you",
            permissions=("notifications.add_notification", VIEW_CONTENT),
            statuses=frozenset(Status),
            trail="sent_to_self",
            asks="You get the same version with the same variables, at your own address and on "
            "your own devices. The recipient gets nothing.",
        ),
    )
}


def allowed(request: HttpRequest, act: Act) -> bool:
    """Return whether the user has the permissions for an act."""
    user: Any = request.user
    return bool(user.has_perms(act.permissions))


def possible(act: Act, row: Notification) -> bool:
    """Return whether an act can be done to a message now."""
    if act.name == "copy":
        return row.recipient is None and not row.sensitive
    if act.name == "replay" and row.redacted:
        return False
    return Status(row.status) in act.statuses


def may_have_arrived(rows: Iterable[Notification]) -> int:
    """Return how many of the messages may have arrived, so that a replay may be a second copy."""
    return sum(row.reason == UNKNOWN_OUTCOME for row in rows)


def do(request: HttpRequest, act: Act, rows: Sequence[Notification]) -> Result:
    """Do an act to each message, and add what was done to the audit trail.

    The question has said how many may have arrived, so these are replayed as well.
    """
    result = Result()
    run: Callable[[HttpRequest, Notification], UUID | None] = _RUNS[act.name]
    for row in rows:
        try:
            made = run(request, row)
        except Problem as problem:
            result.refused[str(problem.detail)] += 1
            continue
        result.done.append(row.pk)
        if made is not None:
            result.made.append(made)
        audit.record(
            request,
            act.trail,
            object_type="message",
            object_id=row.pk,
            detail=f"as {made}" if made is not None else "",
        )
    return result


def _caller(request: HttpRequest) -> Caller:
    return Caller(client=audit.actor_of(request), is_staff=True)


def _replay(request: HttpRequest, row: Notification) -> UUID | None:
    done = resend.replay(row, caller=_caller(request), may_have_arrived=True)
    return done.notification.pk


def _cancel(_request: HttpRequest, row: Notification) -> None:
    cancel(row)


def _copy(request: HttpRequest, row: Notification) -> UUID | None:
    if row.recipient is not None or row.sensitive:
        raise Problem(409, "What it said is not kept.")
    user: Any = request.user
    asked = SendRequest(
        notification_type=Channel(row.channel).value,
        user_id=user.pk,
        template_code=row.template_code,
        variables=row.variables,
        language=row.language,
        priority=COPY_PRIORITY,
    )
    made = accept.accept_version(asked, version_id=row.template_version_id, caller=_caller(request))
    return made.notification.pk


_RUNS: Mapping[str, Callable[[HttpRequest, Notification], UUID | None]] = {
    "replay": _replay,
    "cancel": _cancel,
    "copy": _copy,
}
