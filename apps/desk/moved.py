"""Addresses of pages that are at another place now. Links in mails and tickets stay right."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_safe

# The filters of a list of Django's admin, by their names in the address, and those of the desk.
FILTERS: Mapping[str, str] = {
    "q": "q",
    "status__exact": "status",
    "state__exact": "state",
    "state": "state",
    "source__exact": "source",
    "channel__exact": "channel",
    "channel": "channel",
    "reason": "reason",
    "provider": "provider",
    "template_code": "template_code",
}
# The lists of Django's admin by model, and the page of the desk that took the place of each.
LISTS: Mapping[str, str] = {
    "notification": "desk:messages",
    "batch": "desk:batches",
    "deadletter": "desk:letters",
    "deadletterreplay": "desk:replay-start",
    "deadletteraction": "desk:audit",
    "heartbeat": "desk:processes",
    "dailycount": "desk:home",
}
# The pages of one row, each with the name of its parameter.
ROWS: Mapping[str, tuple[str, str]] = {
    "notification": ("desk:message", "message_id"),
    "batch": ("desk:batch", "batch_id"),
    "deadletter": ("desk:letter", "letter_id"),
    "deadletterreplay": ("desk:replay", "replay_id"),
}


@require_safe
def moved(request: HttpRequest, address: str, **given: Any) -> HttpResponse:
    """Lead to the page at its new place, with the filters that it has as well.

    Args:
        request: The request.
        address: The name of the page's route.
        given: The parameters of the route.
    """
    asked = request.GET.dict()
    query = urlencode({FILTERS[name]: value for name, value in asked.items() if name in FILTERS})
    url = reverse(address, kwargs=given)
    return redirect(f"{url}?{query}" if query else url, permanent=True)


def routes() -> list[URLPattern]:
    """Return the routes of the old addresses, below ``/admin/``."""
    lists = [
        path(f"notifications/{model}/", moved, {"address": address})
        for model, address in LISTS.items()
    ]
    start = path("notifications/deadletterreplay/add/", moved, {"address": "desk:replay-start"})
    rows = [
        path(f"notifications/{model}/<uuid:{name}>/{page}", moved, {"address": address})
        for model, (address, name) in ROWS.items()
        for page in ("", "change/", "history/")
    ]
    return [*lists, start, *rows]
