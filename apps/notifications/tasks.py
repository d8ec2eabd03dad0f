"""The Celery tasks: take the ids, call one function, publish what it leaves for the broker."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from celery import Task, shared_task
from django.conf import settings
from django.db import Error

from apps.common.database_retry import run_if_answered
from apps.common.middleware.correlation import correlated
from apps.notifications.broker import publisher, topology
from apps.notifications.broker.topology import DELIVER_TASKS, LANES, Channel
from apps.notifications.delivery.requeue import Requeue, ToPublish
from apps.notifications.delivery.send import deliver

log = structlog.get_logger(__name__)

# The row's attempts are the only limit; a limit of the task would be a second one.
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
    """Deliver; a database that is away is nothing that is wrong with the message."""
    try:
        return deliver(channel=channel, ids=ids, attempt=attempt)
    except Error:
        # What was accepted is lost with this; the rows are found by the sweep.
        log.exception("outcomes could not be recorded")
        return ToPublish()


def publish(task: Task[Any, Any], left: ToPublish) -> None:
    """Publish what a delivery leaves; what fails here is found by the sweep."""
    run_if_answered(
        "dead letters wait for the sweep", lambda: publisher.publish_failed(left.failed)
    )
    retry(task, left.retries)


def retry(task: Task[Any, Any], groups: Sequence[Requeue]) -> None:
    """Retry each group through Celery, with the wait in the broker and not in this process.

    ``countdown=0`` keeps Celery from adding its default delay; only a Queue object as ``queue``
    is followed. The embedded broker has no delay queues: a countdown waits in memory there, which
    is safe because the row is due again by itself.
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
    """Name the lane that brought this message; a delay queue keeps it."""
    return str((task.request.delivery_info or {})["routing_key"])


def _parsed(ids: Sequence[str]) -> list[UUID]:
    """Read the ids; a message that carries anything else is poison and is thrown out."""
    return [UUID(pk) for pk in ids]


def _correlation_id(task: Task[Any, Any]) -> str:
    """Name the one request behind a message; a chunk of several has one only in its rows."""
    ids = (task.request.headers or {}).get("correlation_ids") or []
    return ids[0] if len(ids) == 1 else ""
