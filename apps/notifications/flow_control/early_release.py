"""Send rate-limited notifications early when the provider has spare capacity.

A notification that meets a limit gets its due time from the rate at that moment. When the rate
rises again, or the limit is switched off, that due time is later than necessary.
"""

from datetime import timedelta

import structlog
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.common.channels import Channel
from apps.notifications.broker import kept_connection, topology
from apps.notifications.broker.kept_connection import KeptConnection
from apps.notifications.broker.publisher import PUBLISH_ERRORS
from apps.notifications.delivery import route
from apps.notifications.flow_control import breakers, limits
from apps.notifications.flow_control.breakers import State
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notification
from apps.notifications.providers.registry import providers_for

log = structlog.get_logger(__name__)

# What is due within this time is sent without help.
SOON = timedelta(seconds=1)
# With more messages than this in the lanes of a channel, its provider has enough to do.
SHALLOW_LANE_MESSAGES = 5


def release_early(*, kept: KeptConnection | None = None) -> bool:
    """Make notifications due now, as many as the providers can take in addition.

    Args:
        kept: The broker connection of this thread; by default one for this call.

    Returns:
        False: there is nothing more to do at once.

    Raises:
        Exception: The first error of a provider, after all other providers were handled.
    """
    errors = []
    for channel in Channel:
        for provider in providers_for(channel):
            try:
                _release_for(provider, channel, kept=kept)
            except Exception as error:  # noqa: BLE001 - it is raised below.
                errors.append(error)
    if errors:
        raise errors[0]
    return False


def _release_for(provider: str, channel: Channel, *, kept: KeptConnection | None) -> None:
    count = 0 if provider == route.SANDBOX else limits.releasable(provider)
    if count and _all_closed(provider, channel) and _is_shallow(channel, kept=kept):
        released = _make_due(channel, count)
        if released < count:
            limits.end_queues(provider)
        if released:
            log.info("released early", provider=provider, count=released)


def _all_closed(provider: str, channel: Channel) -> bool:
    """Tell whether no breaker of the provider is open, so that only the limit can be the reason."""
    names = route.breakers_of(provider, channel)
    return all(breakers.shown(name).effective is State.CLOSED for name in names)


def _is_shallow(channel: Channel, *, kept: KeptConnection | None) -> bool:
    try:
        with kept_connection.use(kept) as broker:
            depths = topology.depths(broker)
    except PUBLISH_ERRORS:
        return False
    lanes = [lane for lane in topology.LANES if lane.partition(".")[0] == channel]
    return sum(depths[lane] for lane in lanes) <= SHALLOW_LANE_MESSAGES


def _make_due(channel: Channel, count: int) -> int:
    """Make rows due that wait for the sweep alone, which is how breakers and limits leave them."""
    now = timezone.now()
    waiting = (
        Notification.objects.filter(
            wake_at__gt=now + SOON,
            wake_at=F("next_attempt_at"),
            channel=channel,
            status=Status.RETRYING,
        )
        .order_by("wake_at")
        .select_for_update(skip_locked=True)
        .values_list("pk", flat=True)
    )
    with transaction.atomic():
        chosen = list(waiting[:count])
        return Notification.objects.filter(pk__in=chosen).update(next_attempt_at=now, wake_at=now)
