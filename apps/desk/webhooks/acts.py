"""What staff can do with a webhook: try it, disable, enable and delete it, give it a new secret."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from apps.common.rest.problems import Problem
from apps.desk import audit
from apps.webhooks import endpoints, redelivery
from apps.webhooks.models import Delivery, Endpoint

# The same permissions as in the API.
CHANGE, DELETE = "webhooks.change_endpoint", "webhooks.delete_endpoint"
CHANGED_MEANWHILE = "The webhook was changed since you were asked. Look at it, and decide again."


@dataclass(frozen=True, kw_only=True)
class Act:
    """One thing that can be done.

    Attributes:
        name: Its name in addresses.
        word: What the button says.
        done: The result in one line.
        permission: What a user needs.
        asks: What the question says.
        when: Whether it can be done to an enabled webhook, to a disabled one, or to both.
        is_grave: Whether something is lost by it.
        run: Does it, in a transaction that holds the row; returns a secret if it makes one.
    """

    name: str
    word: str
    done: str
    permission: str
    asks: str
    when: frozenset[bool]
    is_grave: bool = False
    run: Callable[[HttpRequest, Endpoint], str]


def _test(request: HttpRequest, endpoint: Endpoint) -> str:
    endpoints.send_test(endpoint, actor=audit.actor_of(request))
    return ""


def _switch(*, on: bool) -> Callable[[HttpRequest, Endpoint], str]:
    def switched(request: HttpRequest, endpoint: Endpoint) -> str:
        endpoints.change(endpoint, {"enabled": on}, actor=audit.actor_of(request))
        return ""

    return switched


def _rotate(request: HttpRequest, endpoint: Endpoint) -> str:
    return endpoints.rotate(endpoint, actor=audit.actor_of(request))


def _delete(request: HttpRequest, endpoint: Endpoint) -> str:
    endpoints.delete(endpoint, actor=audit.actor_of(request))
    return ""


_ENABLED, _DISABLED = frozenset({True}), frozenset({False})
ACTS: Mapping[str, Act] = {
    act.name: act
    for act in (
        Act(
            name="test",
            word="Send a test event",
            done="A test event is on its way: the newest delivery says what comes of it.",
            permission=CHANGE,
            asks="One event that tells of nothing is sent to it, signed like every other.",
            when=_ENABLED,
            run=_test,
        ),
        Act(
            name="enable",
            word="Enable",
            done="The webhook gets events again.",
            permission=CHANGE,
            asks="It gets what happens from now on, and its failures are forgotten. What happened "
            "while it was disabled was not kept for it. What waited when it was disabled has "
            "failed, and can be delivered again.",
            when=_DISABLED,
            run=_switch(on=True),
        ),
        Act(
            name="disable",
            word="Disable",
            done="The webhook gets no more events.",
            permission=CHANGE,
            asks="It gets no more events, and what waits for it fails. What happens from now on is "
            "not kept for it. “Enable” takes it back.",
            when=_ENABLED,
            is_grave=True,
            run=_switch(on=False),
        ),
        Act(
            name="rotate",
            word="New secret",
            done="The webhook has a new secret.",
            permission=CHANGE,
            asks="A new secret is made, and shown to you this once. The present one signs as well "
            f"for {endpoints.OVERLAP.total_seconds() / 3_600:.0f} hours. Its owner must have the "
            "new one by then. This cannot be undone or stopped.",
            when=_ENABLED | _DISABLED,
            run=_rotate,
        ),
        Act(
            name="delete",
            word="Delete",
            done="The webhook was deleted.",
            permission=DELETE,
            asks="It gets no more events, and its log is deleted. This cannot be undone or "
            "stopped; its owner has to register a new one, with another secret. To hold it for "
            "now, disable it instead.",
            when=_ENABLED | _DISABLED,
            is_grave=True,
            run=_delete,
        ),
    )
}


def possible(endpoint: Endpoint) -> list[Act]:
    """Return what can be done with a webhook now."""
    return [act for act in ACTS.values() if endpoint.enabled in act.when]


def seen_of(endpoint: Endpoint) -> str:
    """Return what a question remembers of the webhook that it is about."""
    return f"{endpoint.updated_at.timestamp()}"


def do(request: HttpRequest, act: Act, endpoint_id: UUID, *, seen: str) -> str:
    """Do an act, with a line in the audit trail.

    Args:
        request: The request of the member of staff.
        act: The act.
        endpoint_id: The webhook.
        seen: What the question remembers. An answer that is sent twice must not be taken twice:
            a second new secret would end the one that still signs.

    Returns:
        The new secret; empty if there is none.

    Raises:
        Problem: 409 if the webhook was changed meanwhile, is deleted, or its state does not allow
            it. Nothing is changed then.
    """
    with transaction.atomic():
        rows = Endpoint.objects.select_for_update().filter(pk=endpoint_id, deleted_at=None)
        endpoint = rows.first()
        if endpoint is None or seen_of(endpoint) != seen or act not in possible(endpoint):
            raise Problem(409, CHANGED_MEANWHILE)
        return act.run(request, endpoint)


def overlaps(endpoint: Endpoint) -> bool:
    """Return whether the secret before the last one signs as well now."""
    until = endpoint.previous_until
    return bool(endpoint.previous_secret) and until is not None and until > timezone.now()


def deliver_again(request: HttpRequest, endpoint: Endpoint, delivery: Delivery) -> None:
    """Deliver one event again.

    Raises:
        Problem: 409 if the webhook is disabled.
    """
    redelivery.redeliver(endpoint, delivery, actor=audit.actor_of(request))
