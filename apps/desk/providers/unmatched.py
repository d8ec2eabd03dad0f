"""The page of reports that fit no message: what came, and what it names."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from apps.common.keyset import Source, read_page
from apps.desk import paging
from apps.desk.messages.story import reported
from apps.desk.pages import filters_of, show
from apps.notifications.feedback import waiting
from apps.notifications.models import Notification, Receipt

# The same permission as for the reports of a message.
VIEW = "notifications.view_receipt"
PAGE_SIZE = 50


@dataclass(frozen=True, kw_only=True)
class Line:
    """One report in words, and why it fits no message."""

    report: Receipt
    said: str
    why: str
    message_exists: bool


@require_safe
def unmatched_page(request: HttpRequest) -> HttpResponse:
    """List the reports that fit no message, newest first."""
    source = Source(waiting.waiting())
    page = read_page([source], paging.position_of(filters_of(request)), size=PAGE_SIZE)
    context = {
        "title": "Reports without a message",
        "days": waiting.KEPT.days,
        "lines": _lines(page.ids),
        "counted": paging.counted(page, [source], one="report", several="reports"),
        "links": paging.links(page, {}),
    }
    return show(request, "desk/unmatched.html", context)


def _lines(ids: Collection[UUID]) -> list[Line]:
    reports = list(Receipt.objects.filter(pk__in=ids).order_by("-pk"))
    named = {report.named_id for report in reports if report.named_id is not None}
    there = set(Notification.objects.filter(pk__in=named).values_list("pk", flat=True))
    return [
        Line(
            report=one,
            said=reported(one.provider, one.event),
            why=_why(one, there),
            message_exists=one.named_id in there,
        )
        for one in reports
    ]


def _why(report: Receipt, there: Collection[UUID]) -> str:
    if report.named_id is None:
        return "It names no message of this service."
    if report.named_id in there:
        return "The message was given to no provider, or is no mail."
    return "There is no such message here, or not yet."
