"""The Celery tasks: take the ids, call one function, put back what has to wait."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from celery import Task, shared_task
from django.conf import settings

from apps.common.correlation import correlated
from apps.notifications import queues
from apps.notifications.delivery.again import Again
from apps.notifications.delivery.deliver import deliver
from apps.notifications.queues import DELIVER_TASKS, LANES, Channel

# The row's attempts are the only limit; a limit of the task would be a second one.
OPTIONS: dict[str, Any] = {"bind": True, "max_retries": None, "ignore_result": True}


@shared_task(name=DELIVER_TASKS[Channel.EMAIL], **OPTIONS)
def deliver_email(task: Task[Any, Any], ids: list[str], attempt: int) -> None:
    """Deliver a chunk of mails."""
    with correlated(_correlation_id(task)):
        groups = deliver(channel=Channel.EMAIL, ids=_parsed(ids), attempt=attempt)
        put_back(task, groups)


@shared_task(name=DELIVER_TASKS[Channel.PUSH], **OPTIONS)
def deliver_push(task: Task[Any, Any], ids: list[str], attempt: int) -> None:
    """Deliver a chunk of push messages."""
    with correlated(_correlation_id(task)):
        groups = deliver(channel=Channel.PUSH, ids=_parsed(ids), attempt=attempt)
        put_back(task, groups)


def put_back(task: Task[Any, Any], groups: Sequence[Again]) -> None:
    """Retry each group through Celery, with the wait in the broker and not in this process.

    ``countdown=0`` keeps Celery from adding its default delay; only a Queue object as ``queue``
    is followed. The embedded broker has no rungs: there a countdown waits in memory, which is
    safe because the row is due again by itself.
    """
    for again in groups:
        args = ([str(pk) for pk in again.ids], again.attempt)
        lane = LANES[again.lane]
        if settings.EMBEDDED:
            countdown = again.rung_seconds or 0
            task.retry(args=args, queue=lane, countdown=countdown, throw=False)
        else:
            seconds = again.rung_seconds
            target = lane if seconds is None else queues.rung(seconds, lane=again.lane)
            task.retry(args=args, queue=target, countdown=0, throw=False)


def _parsed(ids: Sequence[str]) -> list[UUID]:
    """Read the ids; a message that carries anything else is poison and is thrown out."""
    return [UUID(pk) for pk in ids]


def _correlation_id(task: Task[Any, Any]) -> str:
    """Name the one request behind a message; a chunk of several has one only in its rows."""
    ids = (task.request.headers or {}).get("correlation_ids") or []
    return ids[0] if len(ids) == 1 else ""
