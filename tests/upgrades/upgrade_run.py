"""Fill an installation of an earlier release, and upgrade it to this one while it runs."""

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.fakes.fcm_server import refusal
from tests.fakes.smtp_server import HANG
from tests.journeys.http import Answer, Api, until
from tests.journeys.installation import Installation
from tests.journeys.processes import BIN, ROOT, Process, free_port

SEND = "/api/v1/notifications/"
PASSWORD = "correct horse battery staple"
# One row more than a slice of a batch.
UPLOADED = 501
STATUSES = {
    "scheduled": ("scheduled", None),
    "due": ("scheduled", None),
    "pending": ("pending", None),
    "expiring": ("pending", None),
    "sending": ("sending", None),
    "retrying": ("retrying", None),
    "sent": ("sent", None),
    "delivered": ("delivered", None),
    "bounced": ("bounced", "hard_bounce"),
    "failed": ("failed", "unregistered"),
    "skipped": ("skipped", "no_device"),
    "cancelled": ("cancelled", "cancelled"),
}
# The lanes of the two workers. The second worker of the earlier release stays beside this release.
MOST_MAILS = "email,email.bulk"
URGENT_MAILS_AND_PUSHES = "email.urgent,push.urgent,push,push.bulk"
# Code of the previous release, where the module has its earlier name.
MAKE_SLICE = "from apps.notifications.batches.making import make_slice; assert make_slice()"


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call that was made once and can be repeated."""

    path: str
    body: Any
    headers: Mapping[str, str]
    first: Answer

    def again(self, api: Api) -> tuple[int, Any, str | None]:
        answer = api.call("POST", self.path, self.body, **self.headers)
        return answer.status, answer.body, answer.headers["Idempotency-Replayed"]


@dataclass(kw_only=True)
class UpgradeRun:
    """What was requested before and during the upgrade, and the processes of both releases."""

    installation: Installation
    old: Api
    new: Api
    older: dict[str, Process] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)
    before: dict[str, dict[str, Any]] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)

    def request(
        self, name: str, path: str, body: Any, *, api: Api | None = None, **headers: str
    ) -> Any:
        answer = (api or self.old).call("POST", path, body, **headers)
        assert answer.status == 202, (name, answer.status, answer.body)
        self.calls[name] = Call(path=path, body=body, headers=headers, first=answer)
        return answer.body

    def send(self, name: str, to: str, *, api: Api | None = None, **changes: Any) -> str:
        body = {
            "notification_type": "email",
            "user_id": self.people[to],
            "template_code": self.kept["mail"],
            "variables": {"name": name, "count": 1, "nested": {"b": [1.5, None], "a": "ü"}},
            "request_id": name,
            **changes,
        }
        return str(self.request(name, SEND, body, api=api)["id"])

    def push(self, name: str, to: str, **changes: Any) -> str:
        push = {"notification_type": "push", "template_code": self.kept["push"], **changes}
        return self.send(name, to, **push)

    def id_of(self, name: str) -> str:
        return str(self.calls[name].first.body["id"])

    def status(self, name: str) -> dict[str, Any]:
        return self.old.status(self.id_of(name))

    def wait_for_status(self, name: str, *statuses: str) -> None:
        until(
            lambda: self.status(name)["status"] in statuses,
            within=30,
            what=f"{name} to be {statuses}: {self.status(name)}",
        )

    def mail_to(self, address: str, pattern: str) -> str:
        """Wait for a mail to an address that contains the pattern, and return its first group."""

        def found() -> str | None:
            for mail in list(self.installation.smtp.mails):
                text = str(mail.parsed["List-Unsubscribe"]) + str(mail.parsed.get_content())
                if mail.recipient == address and (match := re.search(pattern, text)):
                    return str(match[1])
            return None

        return until(found, within=20, what=f"a mail to {address} with {pattern}")


def create_people(upgrade: UpgradeRun) -> None:
    api, kept = upgrade.old, upgrade.kept
    kept["mail"] = api.mail_template(category="news")
    kept["push"] = api.push_template()
    for name in ("anna", "leaving", "hanging", "waiting", "bouncing"):
        email = f"{name}@example.com"
        user = {"name": name, "email": email, "push_token": f"token-{name}"}
        upgrade.people[name] = api.made("/api/v1/users/", user)["id"]
    upgrade.people["deviceless"] = api.user("deviceless")
    # A user who registers: a password, tokens, and two mailed links.
    eve = {"name": "Eve", "email": "eve@example.com", "password": PASSWORD}
    answer = replace(api, key="").call("POST", "/api/v1/users/", eve, Authorization="")
    assert answer.status == 201, answer.body
    upgrade.people["eve"] = answer.body["id"]
    login = {"email": eve["email"], "password": PASSWORD}
    tokens = api.call("POST", "/api/v1/users/login", login)
    assert tokens.status == 200, tokens.body
    kept["access"], kept["refresh"] = tokens.body["access"], tokens.body["refresh"]
    kept["confirm"] = upgrade.mail_to("eve@example.com", r"confirm-email\?token=(\S+)")


def create_finished_rows(upgrade: UpgradeRun) -> None:
    smtp, fcm = upgrade.installation.smtp, upgrade.installation.fcm
    smtp.answer("rcpt", "550 5.1.1 No such user", recipient="bouncing@example.com")
    smtp.answer("rcpt", "451 4.3.0 Later", recipient="waiting@example.com")
    fcm.answer("token-bouncing", refusal(404, "NOT_FOUND", "Gone", fcm="UNREGISTERED"))
    far = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    for name, to in (("sent", "anna"), ("delivered", "anna"), ("bounced", "bouncing")):
        upgrade.send(name, to)
    upgrade.push("failed", "bouncing")
    upgrade.push("skipped", "deviceless")
    upgrade.send("retrying", "waiting")
    upgrade.send("cancelled", "anna", scheduled_for=far)
    upgrade.send("scheduled", "anna", scheduled_for=far)
    cancelled = upgrade.old.call("POST", f"{SEND}{upgrade.id_of('cancelled')}/cancel")
    assert cancelled.status == 200
    for name in ("sent", "delivered", "bounced", "failed", "skipped"):
        upgrade.wait_for_status(name, "sent", "bounced", "failed", "skipped")
    receipt = {"notification_id": upgrade.id_of("delivered"), "status": "delivered"}
    answer = upgrade.old.call("POST", "/api/v1/receipts/email", receipt)
    assert answer.status in {200, 202, 204}, answer.body
    upgrade.wait_for_status("retrying", "retrying")


def request_links(upgrade: UpgradeRun) -> None:
    upgrade.send("a last mail", "leaving")
    answer = upgrade.old.call("POST", "/api/v1/users/password/reset", {"email": "anna@example.com"})
    assert answer.status == 202
    upgrade.kept["unsubscribe"] = upgrade.mail_to("leaving@example.com", r"/unsubscribe/([^>]+)>")
    upgrade.kept["reset"] = upgrade.mail_to("anna@example.com", r"reset-password\?token=(\S+)")


def create_batches(upgrade: UpgradeRun) -> None:
    """Leave batches at every stage, because no scheduler is running."""
    template, anna = upgrade.kept["mail"], upgrade.people["anna"]
    rows = [f"{anna},{number},uploaded-{number}" for number in range(UPLOADED)]
    upgrade.request(
        "uploaded",
        f"/api/v1/batches/upload?notification_type=email&template_code={template}",
        "\n".join(["user_id,variables.name,request_id", *rows]).encode(),
        Content_Type="text/csv",
        Idempotency_Key="uploaded",
    )
    # The first of its two slices.
    upgrade.installation.manage("shell", "--command", MAKE_SLICE)
    for name in ("broadcast", "paused", "stopped"):
        body = {
            "notification_type": "email",
            "template_code": template,
            "variables": {"name": name},
            "audience": {"user_ids": [upgrade.people["anna"], upgrade.people["eve"]]},
            "request_id": name,
        }
        batch = upgrade.request(name, f"{SEND}broadcast", body)["batch_id"]
        word = {"paused": "pause", "stopped": "cancel"}.get(name)
        if word:
            assert upgrade.old.call("POST", f"/api/v1/batches/{batch}/{word}").status == 200
    row = {
        "notification_type": "email",
        "user_id": upgrade.people["anna"],
        "template_code": template,
        "variables": {"name": "bulk"},
    }
    rows_of_bulk: list[Any] = [{**row, "request_id": "bulk-1"}, {"bad": 1}, row]
    upgrade.request("bulk", f"{SEND}bulk", {"notifications": rows_of_bulk}, Idempotency_Key="bulk")


def create_unfinished_rows(upgrade: UpgradeRun) -> None:
    """Leave rows in every status before the final ones, because no worker is left."""
    installation = upgrade.installation
    installation.smtp.answer("rcpt", HANG, recipient="hanging@example.com", times=1)
    upgrade.send("sending", "hanging")
    upgrade.wait_for_status("sending", "sending")
    installation.processes.pop(MOST_MAILS).kill()
    soon = datetime.now(UTC) + timedelta(seconds=3)
    upgrade.send("expiring", "anna", expires_at=soon.isoformat())
    upgrade.send("due", "anna", scheduled_for=soon.isoformat())
    upgrade.send("pending", "anna")
    create_batches(upgrade)
    until(lambda: datetime.now(UTC) > soon, within=10, what="the time of what expires")


def upgrade_to_this_release(upgrade: UpgradeRun, processes: ExitStack) -> None:
    """Migrate and start this release; a web process and a worker of the previous one stay."""
    installation = upgrade.installation
    for role in ("web", URGENT_MAILS_AND_PUSHES):
        upgrade.older[role] = installation.processes.pop(role)
        processes.callback(upgrade.older[role].kill)
    installation.root, installation.port = ROOT, free_port()
    installation.manage("migrate", "--verbosity", "0")
    installation.manage("declare_queues")
    for name in ("sending", "retrying"):
        # Leases and waits depend on the database's clock: simulate that a minute has passed.
        installation.query(
            "UPDATE notifications_notification SET claimed_until = now(), next_attempt_at = now(), "
            "wake_at = now() WHERE id = %s RETURNING id",
            upgrade.id_of(name),
        )
    installation.smtp.rules.clear()
    for role in ("web", MOST_MAILS, "scheduler", "recorder"):
        installation.start(role)
    installation.wait_until_ready()
    upgrade.new = replace(upgrade.old, base=f"http://127.0.0.1:{installation.port}")


class UpgradedInstallation(Installation):
    """An installation whose web process is first started as in the previous release."""

    def command(self, role: str) -> Sequence[str]:
        if role != "web" or self.root == ROOT:
            return super().command(role)
        options = ("--interface", "wsgi", "--workers", "1", "--port", str(self.port))
        return [f"{BIN}/granian", *options, "notifications_project.wsgi:application"]
