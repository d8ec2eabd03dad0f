"""A client of the API that uses only the standard library and JSON."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import Message
from typing import Any, TypeVar
from uuid import uuid4

T = TypeVar("T")
ENDINGS = {"sent", "delivered", "failed", "bounced", "skipped", "expired", "cancelled"}


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    body: Any
    headers: Message


@dataclass(frozen=True, kw_only=True)
class Api:
    """An API client with one key."""

    base: str
    key: str

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        request = urllib.request.Request(  # noqa: S310 - loopback.
            f"{self.base}{path}",
            method=method,
            data=body if body is None or isinstance(body, bytes) else json.dumps(body).encode(),
            headers={
                "Content-Type": "application/json",
                "Authorization": f"Api-Key {self.key}",
                **{name.replace("_", "-"): value for name, value in headers.items()},
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - loopback.
                return Answer(
                    status=answer.status,
                    body=json.loads(answer.read() or b"null"),
                    headers=answer.headers,
                )
        except urllib.error.HTTPError as error:
            return Answer(
                status=error.code,
                body=json.loads(error.read() or b"null"),
                headers=error.headers,
            )

    def made(self, path: str, body: Any) -> Any:
        answer = self.call("POST", path, body)
        assert answer.status in {201, 202}, (answer.status, answer.body)
        return answer.body

    def user(self, name: str, **fields: Any) -> str:
        email = f"{name}-{uuid4().hex[:8]}@example.com"
        return str(self.made("/api/v1/users/", {"name": name, "email": email, **fields})["id"])

    def mail_template(self, **fields: Any) -> str:
        code = f"mail-{uuid4().hex[:8]}"
        body = {"subject": "Hi {{ name }}", "body": "Hi {{ name }}", "name": "Mail", **fields}
        self.made("/api/v1/templates/", {"code": code, "notification_type": "email", **body})
        return code

    def push_template(self) -> str:
        code = f"push-{uuid4().hex[:8]}"
        body = {"title": "Hi {{ name }}", "body": "There is news", "name": "Push"}
        self.made("/api/v1/templates/", {"code": code, "notification_type": "push", **body})
        return code

    def send(self, channel: str, user_id: str, template: str, **fields: Any) -> str:
        body = {
            "notification_type": channel,
            "user_id": user_id,
            "template_code": template,
            "variables": {"name": "Ada"},
            **fields,
        }
        return str(self.made("/api/v1/notifications/", body)["id"])

    def status(self, notification_id: str) -> dict[str, Any]:
        answer = self.call("GET", f"/api/v1/notifications/{notification_id}/status")
        assert answer.status == 200, answer.body
        return dict(answer.body)

    def ended(self, notification_id: str, *, within: float = 30) -> dict[str, Any]:
        """Wait until a notification has a final status, and return that status."""
        return until(
            lambda: self._if_ended(notification_id), within=within, what=f"{notification_id} to end"
        )

    def all_ended(self, ids: Iterable[str], *, within: float = 60) -> list[str]:
        """Wait until all notifications have a final status, and return their statuses in order."""
        end = time.monotonic() + within
        with ThreadPoolExecutor(8) as pool:
            return list(
                pool.map(
                    lambda pk: str(
                        self.ended(pk, within=max(1.0, end - time.monotonic()))["status"]
                    ),
                    ids,
                )
            )

    def _if_ended(self, notification_id: str) -> dict[str, Any] | None:
        status = self.status(notification_id)
        return status if status["status"] in ENDINGS else None


def until(ask: Callable[[], T | None], *, within: float, what: str) -> T:
    """Call ``ask`` until its result is true, and return that; fail after ``within`` seconds."""
    end = time.monotonic() + within
    while True:
        found = ask()
        if found:
            return found
        assert time.monotonic() < end, f"waited {within:.0f} s for {what}"
        time.sleep(0.05)
