"""The Celery tasks: parse the ids, call one function, publish the resulting messages."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from celery import Task, shared_task
from django.conf import settings
from django.db import Error

from apps.common.channels import Channel
from apps.common.database_retry import run_if_answered
from apps.common.middleware.correlation import correlated
from apps.notifications.broker import publisher, topology
from apps.notifications.broker.topology import DELIVER_TASKS, LANES
from apps.notifications.delivery.requeue import Requeue, ToPublish
from apps.notifications.delivery.send import deliver

log = structlog.get_logger(__name__)

# Only the row's attempt counter limits retries; a task limit would be a second, conflicting one.
OPTIONS: dict[str, Any] = {"bind": True, "max_retries": None, "ignore_result": True}


@shared_task(name=DELIVER_TASKS[Channel.EMAIL], **OPTIONS)
def deliver_email(task: Task[Any, Any], ids: list[str], attempt: int) -> None:
    """Deliver a chunk of mails."""
    with correlated(_correlation_id(task)):
        publish(task, _delivered(Channel.EMAIL, _parsed(ids), attempt))


@shared_task(name=DELIVER_TASKS[Channel.PUSH], **OPTIONS)
def deliver_push(task: Task[Any, Any], ids: list[str], attempt: int) -> None:
    """Deliver a chunk of push messages."""
    with correlated(_correlation_id(task)):
        publish(task, _delivered(Channel.PUSH, _parsed(ids), attempt))


def _delivered(channel: Channel, ids: Sequence[UUID], attempt: int) -> ToPublish:
    """Deliver a chunk. An unavailable database does not make the task fail."""
    try:
        return deliver(channel=channel, ids=ids, attempt=attempt)
    except Error:
        # The outcomes in memory are lost, including acceptances. The sweep finds the rows.
        log.exception("outcomes could not be recorded")
        return ToPublish()


def publish(task: Task[Any, Any], left: ToPublish) -> None:
    """Publish dead letters and retries. If publishing fails, the sweep finds the rows."""
    run_if_answered(
        "dead letters are left to the sweep", lambda: publisher.publish_failed(left.failed)
    )
    retry(task, left.retries)


def retry(task: Task[Any, Any], groups: Sequence[Requeue]) -> None:
    """Requeue each group through Celery, with the delay in the broker and not in this process.

    ``countdown=0`` keeps Celery from adding its default delay. Celery accepts ``queue`` here only
    as a Queue object. The embedded broker has no delay queues, so the countdown is kept in memory.
    That is safe, because the row stores its own due time and the sweep finds it.
    """
    for again in groups:
        args = ([str(pk) for pk in again.ids], again.attempt)
        name = again.lane or _lane_of(task)
        lane = LANES[name]
        if settings.EMBEDDED:
            countdown = again.delay_seconds or 0
            task.retry(args=args, queue=lane, countdown=countdown, throw=False)
        else:
            seconds = again.delay_seconds
            target = lane if seconds is None else topology.delay_queue(seconds, lane=name)
            task.retry(args=args, queue=target, countdown=0, throw=False)


def _lane_of(task: Task[Any, Any]) -> str:
    """Return the lane that delivered this message. A delay queue keeps the lane's routing key."""
    return str((task.request.delivery_info or {})["routing_key"])


def _parsed(ids: Sequence[str]) -> list[UUID]:
    """Parse the ids. A message with anything else is a poison message and raises ValueError."""
    return [UUID(pk) for pk in ids]


def _correlation_id(task: Task[Any, Any]) -> str:
    """Return the message's correlation id; empty if it has several, which only the rows store."""
    ids = (task.request.headers or {}).get("correlation_ids") or []
    return ids[0] if len(ids) == 1 else ""
