"""The pages of messages."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from apps.common.channels import Channel
from apps.common.ids import as_uuid
from apps.common.masking import masked_address
from apps.desk import audit, paging
from apps.desk.frames import with_frames
from apps.desk.messages import acts, content, feed, story
from apps.desk.messages.acts import ACTS, VIEW_CONTENT, Act
from apps.desk.pages import filters_of, may, show
from apps.desk.webhooks import told
from apps.notifications.embedded.sandbox_pages import MAIL_POLICY
from apps.notifications.models import Batch, Notification, SandboxMessage
from apps.users.contacts import load_contacts
from apps.users.models import Device

VIEW = "notifications.view_notification"
VIEW_PEOPLE = "users.view_user"
VIEW_WEBHOOKS = "webhooks.view_endpoint"
VIEW_SANDBOX = "notifications.view_sandboxmessage"
# Pictures of other hosts tell these that somebody reads the mail, so they are loaded on demand.
WITHOUT_PICTURES = MAIL_POLICY.replace("img-src data: https:", "img-src data:")
PERIOD_WORDS = {
    "hour": "last hour",
    "day": "last 24 hours",
    "week": "last 7 days",
    "month": "last 30 days",
}
RELATED_SHOWN = 20


@require_GET
def message_feed(request: HttpRequest) -> HttpResponse:
    """List messages, newest first."""
    given = filters_of(request)
    kept = {name: value for name, value in given.items() if name != paging.PARAMETER}
    found = feed.read(
        given, with_people=may(request, VIEW_PEOPLE), with_content=may(request, VIEW_CONTENT)
    )
    audit.record_listing(
        request, (line.headline for line in found.lines), object_type="list of messages"
    )
    context = {
        "title": "Messages",
        "feed": found,
        "given": given,
        "term": given.get("q", ""),
        "is_filtered": bool(kept),
        "statuses": feed.status_choices(),
        "channels": list(Channel),
        "periods": PERIOD_WORDS,
        "links": paging.links(found.page, kept),
        "acts": [act for act in ACTS.values() if act.name != "copy" and acts.allowed(request, act)],
        "back": request.get_full_path(),
    }
    return show(request, "desk/messages.html", context)


@require_GET
def message_page(request: HttpRequest, message_id: UUID) -> HttpResponse:
    """Show one message: what became of it, what it said, its timeline, its facts."""
    row = _message(message_id)
    person = load_contacts({row.user_id}).get(row.user_id) if may(request, VIEW_PEOPLE) else None
    provider = feed.last_providers([row.pk]).get(row.pk, "")
    context: dict[str, Any] = {
        "title": f"{'Push' if row.channel == Channel.PUSH else 'Mail'} {row.template_code}",
        "row": row,
        "person": person,
        "ending": story.ending(row, name=person.name if person else "", provider=provider),
        "steps": story.steps(row, device_words(row.user_id), now=timezone.now()),
        "acts": [
            act for act in ACTS.values() if acts.allowed(request, act) and acts.possible(act, row)
        ],
        "may_read": may(request, VIEW_CONTENT),
        # Of an account mail, until it has ended: it may be another address than the person's.
        "own_address": masked_address(row.recipient) if row.recipient else "",
        "kept": _kept(request, row),
        "batch": Batch.objects.filter(pk=row.batch_id).first() if row.batch_id else None,
        "told": _told(request, row),
        "copies": _newest(replay_of=row.pk, user_id=row.user_id),
        "correlated": [
            other for other in _newest(correlation_id=row.correlation_id) if other.pk != row.pk
        ],
    }
    if context["may_read"]:
        context["content"] = content.content_of(row)
        audit.record_reading(request, row.pk)
    return with_frames(show(request, "desk/message.html", context))


@require_GET
def message_html(request: HttpRequest, message_id: UUID) -> HttpResponse:
    """Serve a mail's HTML for the frame, without scripts, forms or its own origin."""
    if not may(request, VIEW_CONTENT):
        raise PermissionDenied
    found = content.content_of(_message(message_id)).email
    if found is None or found.html is None:
        raise Http404
    # The frame has an address of its own, which can be opened without the page.
    audit.record_reading(request, message_id)
    policy = MAIL_POLICY if request.GET.get("pictures") == "yes" else WITHOUT_PICTURES
    return HttpResponse(
        found.html,
        headers={
            "Content-Security-Policy": policy,
            "X-Frame-Options": "SAMEORIGIN",
            "Cache-Control": "private, no-store",
            "Referrer-Policy": "no-referrer",
        },
    )


@require_http_methods(["POST"])
def act_on_messages(request: HttpRequest, act_name: str) -> HttpResponse:
    """Ask before an act on messages, and do it after the answer."""
    act = ACTS.get(act_name)
    if act is None:
        raise Http404
    if not acts.allowed(request, act):
        raise PermissionDenied
    rows = _chosen(request)
    back = request.POST.get("back", "")
    back = back if back.startswith("/admin/messages/") else reverse("desk:messages")
    if request.POST.get("confirmed") != "yes":
        return _question(request, act, rows, back)
    result = acts.do(request, act, rows)
    level = messages.WARNING if result.refused else messages.SUCCESS
    messages.add_message(request, level, result.said(act.done))
    if len(result.made) == 1:
        return redirect("desk:message", message_id=result.made[0])
    return redirect(back)


def _question(request: HttpRequest, act: Act, rows: list[Notification], back: str) -> HttpResponse:
    able = [row for row in rows if acts.possible(act, row)]
    context = {
        "title": f"{act.word} {len(able)} message{'' if len(able) == 1 else 's'}?",
        "act": act,
        "rows": able,
        "unable": len(rows) - len(able),
        "doubtful": acts.may_have_arrived(able) if act.name == "replay" else 0,
        "back": back,
    }
    return show(request, "desk/question.html", context)


def _chosen(request: HttpRequest) -> list[Notification]:
    """Return the chosen messages.

    Raises:
        BadRequest: None is chosen, too many are, or an id is none.
    """
    chosen = request.POST.getlist("chosen")
    ids = [one for one in map(as_uuid, chosen) if one is not None]
    if not ids or len(ids) != len(chosen) or len(ids) > acts.AT_ONCE:
        raise BadRequest("Choose up to 50 messages of the page.")
    return list(Notification.objects.filter(pk__in=ids).order_by("-pk"))


def _message(message_id: UUID) -> Notification:
    rows = Notification.objects.prefetch_related("attempt_rows", "receipts", "events")
    return get_object_or_404(rows, pk=message_id)


def _kept(request: HttpRequest, row: Notification) -> list[SandboxMessage]:
    """Return what the sandbox kept of a message, one for each call."""
    if not (may(request, VIEW_SANDBOX) and may(request, VIEW_CONTENT)):
        return []
    kept = SandboxMessage.objects.filter(notification_id=row.pk).order_by("-pk")
    return list(kept[:RELATED_SHOWN])


def _told(request: HttpRequest, row: Notification) -> list[told.Told] | None:
    """Return which webhooks were told of a message; None if there are none to be seen."""
    if not may(request, VIEW_WEBHOOKS):
        return None
    calls = row.attempt_rows.all()
    return told.of_message(
        row,
        [
            *(call.started_at + timedelta(milliseconds=call.duration_ms) for call in calls),
            *(event.at for event in row.events.all()),
            *(receipt.received_at for receipt in row.receipts.all()),
        ],
    )


def _newest(**condition: Any) -> list[Notification]:
    rows = Notification.objects.filter(**condition).order_by("-pk")
    return list(rows[:RELATED_SHOWN])


def device_words(user_id: UUID) -> dict[UUID, str]:
    """Return what to call the devices of a user, by id."""
    devices = Device.objects.filter(user_id=user_id).values_list("pk", "platform", "retired_at")
    return {
        pk: f"{platform} device{', retired' if retired else ''}"
        for pk, platform, retired in devices
    }
