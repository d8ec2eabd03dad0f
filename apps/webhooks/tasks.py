"""The Celery task of the webhooks: it wakes the dispatcher of its process, and returns at once.

The message is acknowledged before the calls are made. That loses nothing, because the rows say what
is due.
"""

from typing import Any
from uuid import UUID

from celery import shared_task

from apps.webhooks.lane import DELIVER_TASK

OPTIONS: dict[str, Any] = {"ignore_result": True, "max_retries": 0}


@shared_task(name=DELIVER_TASK, **OPTIONS)
def deliver(endpoint_ids: list[str]) -> None:
    """Deliver what is due of endpoints.

    Raises:
        ValueError: The message names something else.
    """
    # Only the workers of this queue need an HTTP client, which takes 15 MB.
    from apps.webhooks.delivery import dispatcher  # noqa: PLC0415

    dispatcher.of_this_process().wake([UUID(each) for each in endpoint_ids])
