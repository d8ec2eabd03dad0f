"""The data of an earlier release's ``make run`` can be used by this release."""

import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.worktree import BEFORE, worktree
from tests.journeys.checkout import Checkout
from tests.journeys.http import Api, until

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(120)]

SEND = "/api/v1/notifications/"


def request_body(user: str, name: str, **changes: Any) -> dict[str, Any]:
    return {
        "notification_type": "email",
        "user_id": user,
        "template_code": "welcome",
        "variables": {"name": name, "link": "https://example.com"},
        "request_id": name,
        **changes,
    }


def test_the_data_of_an_earlier_release_can_still_be_used(tmp_path: Path) -> None:
    far = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    with worktree(BEFORE, tmp_path / "before") as root:
        before = Checkout(tmp_path, root=root)
        running = before.run()
        api, user = before.api, before.printed(r"Demo user +(\S+)")
        bodies = [
            request_body(user, "ended"),
            *(request_body(user, f"late-{n}") for n in range(20)),
        ]
        bodies.append(request_body(user, "scheduled", scheduled_for=far))
        firsts = [api.made(SEND, body) for body in bodies]
        assert api.ended(firsts[0]["id"])["status"] == "delivered"
        # Notifications accepted a moment ago may not have been sent yet.
        running.kill()
        after = Checkout(tmp_path)
        shutil.copytree(root / "var", after.root / "var")

    running = after.run()
    try:
        again = Api(base=after.api.base, key=api.key)
        assert after.api == again
        for body, first in zip(bodies, firsts, strict=True):
            answer = again.call("POST", SEND, body)
            assert (answer.status, answer.body) == (202, first)
            assert answer.headers["Idempotency-Replayed"] == "true"
        assert set(again.all_ended([first["id"] for first in firsts[:-1]])) == {"delivered"}
        assert again.status(firsts[-1]["id"])["status"] == "scheduled"
        fresh = again.made(SEND, request_body(user, "fresh"))
        assert again.ended(fresh["id"])["status"] == "delivered"
    finally:
        running.kill()
    until(lambda: not after.answers(), within=10, what="the process to be gone")
    with sqlite3.connect(after.root / "var" / "db.sqlite3") as database:
        counted = database.execute(
            "SELECT digest_form, count(*) FROM notifications_notification GROUP BY 1 ORDER BY 1"
        ).fetchall()
    # Existing rows are not rewritten.
    assert counted == [(None, len(bodies)), (3, 1)]
