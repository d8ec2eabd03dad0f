"""Helpers shared by the batch tests: requests, running the scheduler's job, reading."""

import json
from collections.abc import Mapping
from typing import Any

from django.utils import timezone
from rest_framework.test import APIClient

from apps.notifications.batches.materialize import make_slice
from apps.notifications.models import Batch

BATCHES = "/api/v1/batches/"
BROADCAST = "/api/v1/notifications/broadcast"
UPLOAD = f"{BATCHES}upload"
NDJSON = "application/x-ndjson"


def broadcast(caller: APIClient, audience: Mapping[str, Any], **changes: Any) -> Any:
    """Post a broadcast of the welcome mail to an audience."""
    headers = {name: changes.pop(name) for name in list(changes) if name.startswith("HTTP_")}
    asked: dict[str, Any] = {
        "notification_type": "email",
        "template_code": "welcome",
        "variables": {"name": "Ada", "link": "https://example.com/a"},
        "audience": audience,
    }
    return caller.post(BROADCAST, {**asked, **changes}, format="json", **headers)


def upload(
    caller: APIClient,
    text: str | bytes,
    *,
    media_type: str = NDJSON,
    query: str = "",
    **headers: Any,
) -> Any:
    """Upload a file as the body of the request."""
    raw: Any = text.encode() if isinstance(text, str) else text
    return caller.generic("POST", UPLOAD + query, raw, content_type=media_type, **headers)


def ndjson(*rows: Any) -> str:
    """Write rows as NDJSON."""
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def accepted_batch_id(answer: Any) -> str:
    """Return the id of a batch that was accepted."""
    assert answer.status_code == 202, answer.content
    assert set(answer.json()) == {"batch_id", "total", "links"}
    return str(answer.json()["batch_id"])


def make_all_slices(*, at_most: int = 50) -> int:
    """Run the scheduler's batch job until nothing is left, and return how many slices it made."""
    for made in range(at_most):
        Batch.objects.filter(next_at__isnull=False).update(next_at=timezone.now())
        if not make_slice():
            return made
    raise AssertionError("the batch never ends")


def read(caller: APIClient, batch_id: str) -> dict[str, Any]:
    """Read a batch."""
    answer = caller.get(f"{BATCHES}{batch_id}")
    assert answer.status_code == 200, answer.content
    return dict(answer.json())


def errors(caller: APIClient, batch_id: str) -> list[dict[str, Any]]:
    """Download the errors of a batch, one object for each rejected row."""
    answer: Any = caller.get(f"{BATCHES}{batch_id}/errors")
    assert answer.status_code == 200
    assert answer["Content-Type"] == NDJSON
    return [json.loads(line) for line in answer.getvalue().splitlines()]
