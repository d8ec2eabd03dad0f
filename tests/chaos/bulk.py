"""Many notifications at once, asked for by a fault beside the load."""

import time
from collections.abc import Sequence
from uuid import uuid4

from apps.notifications.broker.topology import Channel
from tests.chaos.scene import Scene

ROWS = 1000
BULK_PRIORITY = 1
AGAIN_SECONDS = 0.5
PATIENCE_SECONDS = 60.0
ACCEPTED = 202


def ask(
    scene: Scene, channel: Channel, *, users: Sequence[str], priority: int = BULK_PRIORITY
) -> None:
    """Ask for one notification to each of these people, and repeat the call until it has a 202.

    What was accepted is accounted for with the load.

    Raises:
        TimeoutError: It had none in time.
    """
    for first in range(0, len(users), ROWS):
        _ask(scene, channel, users=users[first : first + ROWS], priority=priority)


def many(scene: Scene, channel: Channel, count: int) -> None:
    """Ask for so many bulk notifications to all people in turn."""
    people = scene.recipients.users[channel]
    ask(scene, channel, users=[people[number % len(people)] for number in range(count)])


def _ask(scene: Scene, channel: Channel, *, users: Sequence[str], priority: int) -> None:
    mark = f"bulk-{uuid4().hex[:6]}"
    rows = [
        {
            "notification_type": channel,
            "user_id": user,
            "template_code": scene.recipients.templates[channel],
            "variables": {"ref": f"{mark}-{number:04d}"},
            "request_id": f"{mark}-{number:04d}",
            "priority": priority,
        }
        for number, user in enumerate(users)
    ]
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        try:
            answer = scene.api.call("POST", "/api/v1/notifications/bulk", {"notifications": rows})
        except OSError:
            time.sleep(AGAIN_SECONDS)
            continue
        if answer.status == ACCEPTED:
            results = zip(rows, answer.body["results"], strict=True)
            scene.asked_beside |= {str(row["request_id"]): one["id"] for row, one in results}
            return
        time.sleep(AGAIN_SECONDS)
    raise TimeoutError(f"no 202 to {len(rows)} rows in {PATIENCE_SECONDS:.0f} s")
