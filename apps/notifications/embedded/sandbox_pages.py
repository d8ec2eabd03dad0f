"""Staff pages that show the sandbox's messages. Scripts in the messages are not executed."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from apps.common.middleware.security_headers import PAGE_POLICY
from apps.notifications.embedded.sandbox_signals import content_shown, subjects_shown
from apps.notifications.models.sandbox import SandboxMessage

PAGE_SIZE = 50
# What would have been sent is content like that of a message.
PERMISSIONS = ("notifications.view_sandboxmessage", "desk.view_content")
CHANNELS = ("email", "push")
WEB_LINK = re.compile(r"https?://[^\s]+", re.IGNORECASE)
# A mail is shown as in a mail program: with styles and images, but without active content.
MAIL_POLICY = (
    "sandbox; default-src 'none'; img-src data: https:; style-src 'unsafe-inline'; "
    "frame-ancestors 'self'"
)

Page = Callable[..., HttpResponse]


def staff_page(page: Page) -> Page:
    """Allow only staff who may view sandbox messages; redirect others to the admin's login."""

    @wraps(page)
    def checked(request: HttpRequest, **given: Any) -> HttpResponse:
        if not request.user.has_perms(PERMISSIONS):
            raise PermissionDenied
        return page(request, **given)

    # The admin's own check, which needs the second factor as well, and the viewer's time zone.
    shown: Page = require_safe(admin.site.admin_view(checked))
    return shown


@staff_page
def message_list(request: HttpRequest) -> HttpResponse:
    """List the newest messages, optionally filtered by channel and recipient."""
    channel = request.GET.get("channel", "")
    recipient = request.GET.get("recipient", "").strip()
    if channel and channel not in CHANNELS:
        raise BadRequest("The channel is not known.")
    found = SandboxMessage.objects.defer("html", "text", "headers", "data")
    if channel:
        found = found.filter(channel=channel)
    if recipient:
        found = found.filter(recipient__icontains=recipient)
    rows, newer, older = _page(found, request)
    subjects_shown.send(message_list, request=request, messages=rows)
    kept = {"channel": channel, "recipient": recipient}
    context = {
        "rows": rows,
        "channel": channel,
        "channels": CHANNELS,
        "recipient": recipient,
        "newer": newer and urlencode(kept | {"after": newer}),
        "older": older and urlencode(kept | {"before": older}),
    }
    return _show(request, "sandbox/list.html", context)


@staff_page
def message_detail(request: HttpRequest, *, message_id: UUID) -> HttpResponse:
    """Show one mail with its parts, or one push like on a phone."""
    message = get_object_or_404(SandboxMessage, id=message_id)
    content_shown.send(message_detail, request=request, messages=[message])
    link = str(message.headers.get("link", ""))
    context = {
        "title": message.subject or "(no subject)",
        "message": message,
        "link": link,
        "opens": bool(WEB_LINK.fullmatch(link)),
    }
    template = "sandbox/mail.html" if message.is_mail else "sandbox/push.html"
    return _show(request, template, context)


@staff_page
def message_html(request: HttpRequest, *, message_id: UUID) -> HttpResponse:
    """Serve a mail's HTML for the frame, without scripts, forms or its own origin."""
    message = get_object_or_404(SandboxMessage, id=message_id, channel="email")
    content_shown.send(message_html, request=request, messages=[message])
    return HttpResponse(
        message.html,
        headers={
            "Content-Security-Policy": MAIL_POLICY,
            "X-Frame-Options": "SAMEORIGIN",
            "Cache-Control": "private, no-store",
            "Referrer-Policy": "no-referrer",
        },
    )


def _page(
    found: QuerySet[SandboxMessage], request: HttpRequest
) -> tuple[list[SandboxMessage], str, str]:
    """Return one page, newest first, with the cursors of the next and previous pages.

    Raises:
        BadRequest: A cursor is not an id.
    """
    before, after = (_cursor(request, name) for name in ("before", "after"))
    if after:
        rows = list(found.filter(id__gt=after).order_by("id")[: PAGE_SIZE + 1])
        more_newer, more_older = len(rows) > PAGE_SIZE, True
        rows = rows[:PAGE_SIZE][::-1]
    else:
        scope = found.filter(id__lt=before) if before else found
        rows = list(scope.order_by("-id")[: PAGE_SIZE + 1])
        more_newer, more_older = before is not None, len(rows) > PAGE_SIZE
        rows = rows[:PAGE_SIZE]
    if not rows:
        return rows, "", ""
    newer = str(rows[0].id) if more_newer else ""
    return rows, newer, str(rows[-1].id) if more_older else ""


def _cursor(request: HttpRequest, name: str) -> UUID | None:
    given = request.GET.get(name, "")
    try:
        return UUID(given) if given else None
    except ValueError:
        raise BadRequest("The cursor is not one of ours.") from None


def _show(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    frame = {**admin.site.each_context(request), "title": "Sandbox"}
    response = render(request, template, {**frame, **context})
    response["Content-Security-Policy"] = f"{PAGE_POLICY}; frame-src 'self'"
    response["Cache-Control"] = "private, no-store"
    return response
