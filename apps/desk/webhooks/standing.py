"""How an endpoint stands: whether it takes its events, since when not, and what comes next."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import Q

from apps.common.keyset import Source
from apps.webhooks.meanings import DISABLED
from apps.webhooks.models import Delivery, DeliveryState, Endpoint
from apps.webhooks.schedule import DISABLE_AFTER

# Events that may be sent and wait for longer are a matter of the worker, and not of the endpoint.
LATE = timedelta(minutes=5)


class State(StrEnum):
    """How an endpoint stands."""

    WORKING = "working"
    FAILING = "failing"
    DISABLED = "disabled"


CONDITIONS: Mapping[str, Q] = {
    State.WORKING: Q(enabled=True, failing_since=None),
    State.FAILING: Q(enabled=True, failing_since__isnull=False),
    State.DISABLED: Q(enabled=False),
}


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How an endpoint stands, for its page.

    Attributes:
        state: In one word.
        why: Why it is disabled, as a sentence; empty if it is not.
        tried_at: When it is called next; None if nothing waits.
        disabled_on: When it is disabled if it goes on failing; None if it works or is disabled.
        overdue_since: Since when an event waits that may be sent; None if none waits for long.
        waiting: How many events wait; None if they are too many to count.
        failed: How many are given up and not deleted yet; None if they are too many to count.
    """

    state: State
    why: str
    tried_at: datetime | None
    disabled_on: datetime | None
    overdue_since: datetime | None
    waiting: int | None
    failed: int | None


def state_of(endpoint: Endpoint) -> State:
    """Return how an endpoint stands, in one word."""
    if not endpoint.enabled:
        return State.DISABLED
    return State.WORKING if endpoint.failing_since is None else State.FAILING


def why_disabled(endpoint: Endpoint) -> str:
    """Return why an endpoint is disabled, as a sentence; empty if it is not."""
    if endpoint.enabled:
        return ""
    return DISABLED.get(endpoint.disabled_reason, "It is disabled.")


def standing_of(endpoint: Endpoint, *, now: datetime) -> Standing:
    """Return how an endpoint stands, with one look into an index for each number."""
    state = state_of(endpoint)
    since = endpoint.failing_since
    due = _next_call(endpoint)
    return Standing(
        state=state,
        why=why_disabled(endpoint),
        tried_at=due,
        disabled_on=since + DISABLE_AFTER if since and state is State.FAILING else None,
        overdue_since=due if due is not None and now - due > LATE else None,
        waiting=_count(endpoint, DeliveryState.PENDING),
        failed=_count(endpoint, DeliveryState.FAILED),
    )


def _next_call(endpoint: Endpoint) -> datetime | None:
    """Return when the next call may be made; None if nothing waits or none may be made."""
    if not endpoint.enabled:
        return None
    waiting = Delivery.objects.filter(endpoint_id=endpoint.pk, wake_at__isnull=False)
    due = waiting.order_by("wake_at").values_list("wake_at", flat=True).first()
    return None if due is None else max(due, endpoint.open_until or due)


def _count(endpoint: Endpoint, state: DeliveryState) -> int | None:
    return Source(Delivery.objects.filter(endpoint_id=endpoint.pk, state=state)).count()
