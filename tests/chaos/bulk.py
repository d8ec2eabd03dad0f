"""Bulk notifications that a fault sends in addition to the load."""

import time
from collections.abc import Sequence
from uuid import uuid4

from apps.common.channels import Channel
from tests.chaos.environment import Environment

ROWS = 1000
BULK_PRIORITY = 1
AGAIN_SECONDS = 0.5
PATIENCE_SECONDS = 60.0
ACCEPTED = 202


def request_each(
    environment: Environment,
    channel: Channel,
    *,
    users: Sequence[str],
    priority: int = BULK_PRIORITY,
) -> None:
    """Request one notification for each of these users, and repeat the call until it gets a 202.

    The accepted notifications are accounted for together with the load.

    Raises:
        TimeoutError: There was no 202 in time.
    """
    for first in range(0, len(users), ROWS):
        _request(environment, channel, users=users[first : first + ROWS], priority=priority)


def request_many(environment: Environment, channel: Channel, count: int) -> None:
    """Request ``count`` bulk notifications, distributed over all recipients."""
    people = environment.recipients.users[channel]
    request_each(
        environment, channel, users=[people[number % len(people)] for number in range(count)]
    )


def _request(
    environment: Environment, channel: Channel, *, users: Sequence[str], priority: int
) -> None:
    mark = f"bulk-{uuid4().hex[:6]}"
    rows = [
        {
            "notification_type": channel,
            "user_id": user,
            "template_code": environment.recipients.templates[channel],
            "variables": {"ref": f"{mark}-{number:04d}"},
            "request_id": f"{mark}-{number:04d}",
            "priority": priority,
        }
        for number, user in enumerate(users)
    ]
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        try:
            answer = environment.api.call(
                "POST", "/api/v1/notifications/bulk", {"notifications": rows}
            )
        except OSError:
            time.sleep(AGAIN_SECONDS)
            continue
        if answer.status == ACCEPTED:
            results = zip(rows, answer.body["results"], strict=True)
            environment.extra_requests |= {
                str(row["request_id"]): one["id"] for row, one in results
            }
            return
        time.sleep(AGAIN_SECONDS)
    raise TimeoutError(f"no 202 to {len(rows)} rows in {PATIENCE_SECONDS:.0f} s")
