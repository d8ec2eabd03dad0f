"""The home page."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.common.channels import Channel
from apps.desk.home import attention, charts, numbers
from apps.desk.home.attention import Situation
from apps.desk.home.numbers import PERIODS
from apps.desk.home.processes import roles_of
from apps.desk.pages import may, show
from apps.notifications.api.services import queue_depths
from apps.notifications.flow_control import control
from apps.notifications.notices import telling
from apps.notifications.operations import heartbeat

VIEW_OPERATIONS = "notifications.view_heartbeat"
FIRST_PERIOD = "24h"


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show the numbers, and what needs attention first."""
    period = request.GET.get("period", FIRST_PERIOD)
    period = period if period in PERIODS else FIRST_PERIOD
    channel = request.GET.get("channel", "")
    channel = channel if channel in set(Channel) else ""
    context = {
        "title": "Home",
        "is_home": True,
        "period": period,
        "periods": PERIODS,
        "channel": channel,
        "channels": [one.value for one in Channel],
        "sees_operations": may(request, VIEW_OPERATIONS),
    }
    if context["sees_operations"]:
        context |= _numbers(period, channel)
    return show(request, "desk/home.html", context)


def _numbers(period: str, channel: str) -> dict[str, Any]:
    now = timezone.now()
    found = numbers.read(PERIODS[period], channel=channel, now=now)
    waiting = attention.waiting(now)
    situation = Situation(
        providers=list(control.configured()),
        processes=heartbeat.alive(),
        depths=queue_depths(),
        letters=attention.open_letters(),
        oldest=waiting.oldest,
        last=found.buckets[-1],
        observed=attention.observed(waiting.overdue, now=now),
        notices=attention.open_notices() if telling.has_subscribers() else [],
    )
    calls = numbers.calls_by_provider(PERIODS[period], now=now)
    known = [depth for depth in situation.depths.values() if depth is not None]
    return {
        "numbers": found,
        "bars": charts.bars(found.buckets),
        "lines": charts.lines(found.buckets),
        "situation": situation,
        "roles": roles_of(situation.processes),
        "calls": {name: charts.small(counts) for name, counts in calls.items()},
        "queued": sum(known) if known else None,
        "attention": attention.items(situation, now=now),
    }
