"""Write the audit trail, and say it in words."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from apps.common.ids import as_uuid, first_id_at
from apps.common.middleware.correlation import current_id
from apps.desk.actors import names_of
from apps.desk.models import AuditEntry
from apps.notifications.models import SandboxMessage
from apps.templates.api.converters import CODE_PATTERN

BulkCreate = Callable[..., list[LogEntry]]
# Each act in words; the object follows.
ACTIONS: Mapping[str, str] = {
    "content_read": "read the content of",
    "subjects_read": "read the subjects of",
    "replayed": "replayed",
    "cancelled": "cancelled",
    "sent_to_self": "sent themselves a copy of",
    "drafted": "wrote a draft of",
    "published": "published",
    "archived": "archived",
    "restored": "took back from the archive",
    "exported": "exported the data of",
    "erased": "erased",
    "discarded": "discarded",
    "replay_started": "started",
    "replay_stopped": "stopped",
    "paused": "paused",
    "resumed": "resumed",
    "forced_open": "forced open",
    "forced_closed": "forced closed",
    "given_back": "gave back",
    "limit_lifted": "lifted the limit of",
    "tested": "tested the connection of",
    "test_sent": "sent a test event to",
    "redelivered": "delivered events again to",
    "disabled": "disabled",
    "enabled": "enabled",
    "rotated": "gave a new secret to",
    "errors_downloaded": "downloaded the rejected rows of",
    "suppressed": "put on the suppression list:",
    "unsuppressed": "took off the suppression list:",
    "added": "added",
    "changed": "changed",
    "deleted": "deleted",
}
FLAGS = {ADDITION: "added", CHANGE: "changed", DELETION: "deleted"}
DETAIL_MAX_LENGTH = 500
# A page and its frame are one reading.
READ_ONCE = timedelta(minutes=1)
# Somebody who goes through lists reads one page after another.
LISTED_ONCE = timedelta(minutes=15)
OBJECT_ID_MAX_LENGTH = 64
# The pages of what acts are done to.
PAGES = {
    "message": "desk:message",
    "person": "desk:person",
    "user": "desk:person",
    "dead letter": "desk:letter",
    "deadletter": "desk:letter",
    "replay": "desk:replay",
    "batch": "desk:batch",
    "webhook": "desk:webhook",
}


def actor_of(request: HttpRequest) -> str:
    """Return the name of the current member of staff in the trail."""
    return f"staff:{request.user.pk}"


def copying(bulk_create: BulkCreate) -> BulkCreate:
    """Return the manager's method of Django's admin log that adds entries to the trail as well.

    Django stores several entries at once with it, for which there is no signal.
    """

    @wraps(bulk_create)
    def both(*args: Any, **kwargs: Any) -> list[LogEntry]:
        made = bulk_create(*args, **kwargs)
        AuditEntry.objects.bulk_create([_copy_of(entry) for entry in made])
        return made

    return both


def copy(instance: LogEntry, *, created: bool, **_: Any) -> None:
    """Add an entry of Django's admin log to the trail."""
    if created:
        _copy_of(instance).save(force_insert=True)


def _copy_of(instance: LogEntry) -> AuditEntry:
    kind = instance.content_type
    return AuditEntry(
        actor=f"staff:{instance.user_id}",
        action=FLAGS[instance.action_flag],
        object_type=kind.model if kind is not None else instance.object_repr.split(" ")[0].lower(),
        object_id=str(instance.object_id or "")[:OBJECT_ID_MAX_LENGTH],
        detail=instance.get_change_message()[:DETAIL_MAX_LENGTH],
        correlation_id=current_id(),
    )


@dataclass(frozen=True, kw_only=True)
class Deed:
    """One act in words, and where what it was done to has its page."""

    entry: AuditEntry
    who: str
    words: str
    link: str


def in_words(entries: Iterable[AuditEntry]) -> list[Deed]:
    """Return acts in words, with one query for the names of the staff."""
    acts = list(entries)
    names = names_of(entry.actor for entry in acts)
    return [
        Deed(
            entry=entry,
            who=names[entry.actor],
            words=ACTIONS.get(entry.action, entry.action),
            link=link_to(entry),
        )
        for entry in acts
    ]


def link_to(entry: AuditEntry) -> str:
    """Return the address of what an act was done to; empty if it has no page."""
    if entry.object_type == "template" and re.fullmatch(CODE_PATTERN, entry.object_id):
        return reverse("desk:studio", args=[entry.object_id])
    if entry.object_type == "provider":
        return reverse("providers")
    route, identifier = PAGES.get(entry.object_type), as_uuid(entry.object_id)
    return reverse(route, args=[identifier]) if route and identifier else ""


def record_reading(request: HttpRequest, object_id: UUID, *, object_type: str = "message") -> None:
    """Add that a content was read, once for a page and its frame."""
    _record_once(request, "content_read", READ_ONCE, object_type=object_type, object_id=object_id)


def record_listing(
    request: HttpRequest, headlines: Iterable[str], *, object_type: str, object_id: Any = ""
) -> None:
    """Add that the subjects and titles in a list were read, if there are any.

    Args:
        request: The request of the member of staff.
        headlines: The subjects and titles that the list shows; empty ones where it shows none.
        object_type: What the list is about, such as ``person``.
        object_id: The id of it, if it has one.
    """
    if any(headlines):
        given = {"object_type": object_type, "object_id": object_id}
        _record_once(request, "subjects_read", LISTED_ONCE, **given)


def record_sandbox(*, request: HttpRequest, messages: list[SandboxMessage], **_: Any) -> None:
    """Add what a page of the sandbox shows (``content_shown``)."""
    for message in messages:
        record_reading(request, message.notification_id)


def record_sandbox_list(*, request: HttpRequest, messages: list[SandboxMessage], **_: Any) -> None:
    """Add that a list of the sandbox shows subjects (``subjects_shown``)."""
    subjects = (message.subject for message in messages)
    record_listing(request, subjects, object_type="list of the sandbox")


def _record_once(request: HttpRequest, action: str, window: timedelta, **given: Any) -> None:
    """Add an act, unless the same was added within the window."""
    # The ids have the time, and the index of the actor has the ids.
    lately = AuditEntry.objects.filter(
        actor=actor_of(request),
        pk__gte=first_id_at(timezone.now() - window),
        action=action,
        object_type=given["object_type"],
        object_id=str(given["object_id"]),
    )
    if not lately.exists():
        record(request, action, **given)


def record(
    request: HttpRequest, action: str, *, object_type: str, object_id: Any = "", detail: str = ""
) -> None:
    """Add one act to the trail.

    Args:
        request: The request of the member of staff.
        action: One of ``ACTIONS``.
        object_type: What it was done to, such as ``message``.
        object_id: The id of it.
        detail: What a reader needs besides, without personal data.
    """
    add(
        actor=actor_of(request),
        action=action,
        object_type=object_type,
        object_id=str(object_id),
        detail=detail,
    )


def add(*, actor: str, action: str, object_type: str, object_id: str, detail: str) -> None:
    """Add one act of anybody to the trail; see ``apps.common.audit``."""
    assert action in ACTIONS
    AuditEntry.objects.create(
        actor=actor,
        action=action,
        object_type=object_type,
        object_id=object_id,
        detail=detail[:DETAIL_MAX_LENGTH],
        correlation_id=current_id(),
    )
