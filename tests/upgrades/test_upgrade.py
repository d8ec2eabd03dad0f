"""Upgrade an installation of an earlier release while it runs; nothing is lost.

The earlier release fills the database: users, templates, rows in every status, unfinished batches.
Then this release migrates and starts, and workers and web processes of both run at the same time.
"""

import re
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import pytest

from apps.notifications.lifecycle.states import Status
from tests.chaos.worktree import BEFORE, worktree
from tests.fakes.fcm_server import refusal
from tests.fakes.smtp_server import HANG
from tests.journeys.http import Answer, Api, until
from tests.journeys.installation import Installation
from tests.journeys.processes import BIN, ROOT, Process, free_port

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

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
# The final statuses of the rows that were unfinished.
ENDS = {
    **STATUSES,
    "scheduled": ("scheduled", None),
    "due": ("sent", None),
    "pending": ("sent", None),
    "expiring": ("expired", "expired"),
    "sending": ("sent", None),
    "retrying": ("sent", None),
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
class Story:
    """What was requested before and during the upgrade, and the processes of both releases."""

    installation: Installation
    old: Api
    new: Api
    older: dict[str, Process] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)
    before: dict[str, dict[str, Any]] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)

    def ask(
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
        return str(self.ask(name, SEND, body, api=api)["id"])

    def push(self, name: str, to: str, **changes: Any) -> str:
        push = {"notification_type": "push", "template_code": self.kept["push"], **changes}
        return self.send(name, to, **push)

    def id_of(self, name: str) -> str:
        return str(self.calls[name].first.body["id"])

    def status(self, name: str) -> dict[str, Any]:
        return self.old.status(self.id_of(name))

    def has_come_to(self, name: str, *statuses: str) -> None:
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


def people(story: Story) -> None:
    api, kept = story.old, story.kept
    kept["mail"] = api.mail_template(category="news")
    kept["push"] = api.push_template()
    for name in ("anna", "leaving", "hanging", "waiting", "bouncing"):
        email = f"{name}@example.com"
        user = {"name": name, "email": email, "push_token": f"token-{name}"}
        story.people[name] = api.made("/api/v1/users/", user)["id"]
    story.people["deviceless"] = api.user("deviceless")
    # A user who registers: a password, tokens, and two mailed links.
    eve = {"name": "Eve", "email": "eve@example.com", "password": PASSWORD}
    answer = replace(api, key="").call("POST", "/api/v1/users/", eve, Authorization="")
    assert answer.status == 201, answer.body
    story.people["eve"] = answer.body["id"]
    login = {"email": eve["email"], "password": PASSWORD}
    tokens = api.call("POST", "/api/v1/users/login", login)
    assert tokens.status == 200, tokens.body
    kept["access"], kept["refresh"] = tokens.body["access"], tokens.body["refresh"]
    kept["confirm"] = story.mail_to("eve@example.com", r"confirm-email\?token=(\S+)")


def rows_that_end(story: Story) -> None:
    smtp, fcm = story.installation.smtp, story.installation.fcm
    smtp.answer("rcpt", "550 5.1.1 No such user", recipient="bouncing@example.com")
    smtp.answer("rcpt", "451 4.3.0 Later", recipient="waiting@example.com")
    fcm.answer("token-bouncing", refusal(404, "NOT_FOUND", "Gone", fcm="UNREGISTERED"))
    far = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    for name, to in (("sent", "anna"), ("delivered", "anna"), ("bounced", "bouncing")):
        story.send(name, to)
    story.push("failed", "bouncing")
    story.push("skipped", "deviceless")
    story.send("retrying", "waiting")
    story.send("cancelled", "anna", scheduled_for=far)
    story.send("scheduled", "anna", scheduled_for=far)
    cancelled = story.old.call("POST", f"{SEND}{story.id_of('cancelled')}/cancel")
    assert cancelled.status == 200
    for name in ("sent", "delivered", "bounced", "failed", "skipped"):
        story.has_come_to(name, "sent", "bounced", "failed", "skipped")
    receipt = {"notification_id": story.id_of("delivered"), "status": "delivered"}
    answer = story.old.call("POST", "/api/v1/receipts/email", receipt)
    assert answer.status in {200, 202, 204}, answer.body
    story.has_come_to("retrying", "retrying")


def links(story: Story) -> None:
    story.send("a last mail", "leaving")
    answer = story.old.call("POST", "/api/v1/users/password/reset", {"email": "anna@example.com"})
    assert answer.status == 202
    story.kept["unsubscribe"] = story.mail_to("leaving@example.com", r"/unsubscribe/([^>]+)>")
    story.kept["reset"] = story.mail_to("anna@example.com", r"reset-password\?token=(\S+)")


def batches(story: Story) -> None:
    """Leave batches at every stage, because no scheduler is running."""
    template, anna = story.kept["mail"], story.people["anna"]
    rows = [f"{anna},{number},uploaded-{number}" for number in range(UPLOADED)]
    story.ask(
        "uploaded",
        f"/api/v1/batches/upload?notification_type=email&template_code={template}",
        "\n".join(["user_id,variables.name,request_id", *rows]).encode(),
        Content_Type="text/csv",
        Idempotency_Key="uploaded",
    )
    # The first of its two slices.
    story.installation.manage("shell", "--command", MAKE_SLICE)
    for name in ("broadcast", "paused", "stopped"):
        body = {
            "notification_type": "email",
            "template_code": template,
            "variables": {"name": name},
            "audience": {"user_ids": [story.people["anna"], story.people["eve"]]},
            "request_id": name,
        }
        batch = story.ask(name, f"{SEND}broadcast", body)["batch_id"]
        word = {"paused": "pause", "stopped": "cancel"}.get(name)
        if word:
            assert story.old.call("POST", f"/api/v1/batches/{batch}/{word}").status == 200
    row = {
        "notification_type": "email",
        "user_id": story.people["anna"],
        "template_code": template,
        "variables": {"name": "bulk"},
    }
    rows_of_bulk: list[Any] = [{**row, "request_id": "bulk-1"}, {"bad": 1}, row]
    story.ask("bulk", f"{SEND}bulk", {"notifications": rows_of_bulk}, Idempotency_Key="bulk")


def rows_under_way(story: Story) -> None:
    """Leave rows in every status before the final ones, because no worker is left."""
    installation = story.installation
    installation.smtp.answer("rcpt", HANG, recipient="hanging@example.com", times=1)
    story.send("sending", "hanging")
    story.has_come_to("sending", "sending")
    installation.processes.pop(MOST_MAILS).kill()
    soon = datetime.now(UTC) + timedelta(seconds=3)
    story.send("expiring", "anna", expires_at=soon.isoformat())
    story.send("due", "anna", scheduled_for=soon.isoformat())
    story.send("pending", "anna")
    batches(story)
    until(lambda: datetime.now(UTC) > soon, within=10, what="the time of what expires")


def upgraded_to_this_release(story: Story, processes: ExitStack) -> None:
    """Migrate and start this release; a web process and a worker of the previous one stay."""
    installation = story.installation
    for role in ("web", URGENT_MAILS_AND_PUSHES):
        story.older[role] = installation.processes.pop(role)
        processes.callback(story.older[role].kill)
    installation.root, installation.port = ROOT, free_port()
    installation.manage("migrate", "--verbosity", "0")
    installation.manage("declare_queues")
    for name in ("sending", "retrying"):
        # Leases and waits depend on the database's clock: simulate that a minute has passed.
        installation.query(
            "UPDATE notifications_notification SET claimed_until = now(), next_attempt_at = now(), "
            "wake_at = now() WHERE id = %s RETURNING id",
            story.id_of(name),
        )
    installation.smtp.rules.clear()
    for role in ("web", MOST_MAILS, "scheduler", "recorder"):
        installation.start(role)
    installation.wait_until_ready()
    story.new = replace(story.old, base=f"http://127.0.0.1:{installation.port}")


class OneAfterAnother(Installation):
    """An installation whose web process is first started as in the previous release."""

    def command(self, role: str) -> Sequence[str]:
        if role != "web" or self.root == ROOT:
            return super().command(role)
        options = ("--interface", "wsgi", "--workers", "1", "--port", str(self.port))
        return [f"{BIN}/granian", *options, "notifications_project.wsgi:application"]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("upgrade")
    with (
        worktree(BEFORE, folder / "before") as root,
        OneAfterAnother(
            folder,
            root=root,
            roles=("web", MOST_MAILS, URGENT_MAILS_AND_PUSHES),
            OPEN_REGISTRATION="true",
        ) as installation,
        ExitStack() as processes,
    ):
        api = installation.api()
        # Until this release runs, every call is sent to the previous one.
        prepared = Story(installation=installation, old=api, new=api)
        people(prepared)
        rows_that_end(prepared)
        links(prepared)
        rows_under_way(prepared)
        prepared.before = {name: prepared.status(name) for name in STATUSES}
        upgraded_to_this_release(prepared, processes)
        yield prepared


def test_the_earlier_release_left_a_row_in_every_status(story: Story) -> None:
    left = {name: (one["status"], one["reason"]) for name, one in story.before.items()}
    assert left == STATUSES
    assert {status for status, _ in left.values()} == set(Status) - {Status.EXPIRED}


def test_every_row_gets_its_expected_final_status(story: Story) -> None:
    moving = [name for name, end in ENDS.items() if end != STATUSES[name]]
    story.new.all_ended([story.id_of(name) for name in moving], within=60)
    ends = {name: story.new.status(story.id_of(name)) for name in ENDS}
    assert {name: (one["status"], one["reason"]) for name, one in ends.items()} == ENDS
    for name, before in story.before.items():
        # The timeline of the earlier release is still the beginning of the timeline.
        assert ends[name]["timeline"][: len(before["timeline"])] == before["timeline"]
        if name not in moving:
            assert ends[name] == before


def test_unfinished_batches_are_completed(story: Story) -> None:
    def stands(name: str) -> tuple[str, int, dict[str, int]]:
        path = f"/api/v1/batches/{story.calls[name].first.body['batch_id']}"
        got = story.new.call("GET", path).body
        return got["state"], got["accepted"], got["counts"]

    paused = f"/api/v1/batches/{story.calls['paused'].first.body['batch_id']}"
    assert stands("paused") == ("paused", 0, {})
    assert story.new.call("POST", f"{paused}/resume").status == 200
    expected = {
        "uploaded": ("finished", UPLOADED, {"sent": UPLOADED}),
        # Eve has not confirmed her address.
        "broadcast": ("finished", 2, {"sent": 1, "skipped": 1}),
        "paused": ("finished", 2, {"sent": 1, "skipped": 1}),
        "stopped": ("cancelled", 0, {}),
        "bulk": ("finished", 2, {"sent": 2}),
    }
    for name, end in expected.items():
        until(
            lambda: stands(name) == end,  # noqa: B023 - used at once.
            within=60,
            what=f"{name} to be {end}, not {stands(name)}",
        )


def test_every_idempotency_key_gives_its_first_answer_at_both_releases(story: Story) -> None:
    story.send("by the new one", "anna", api=story.new)
    for api in (story.new, story.old):
        answers = {name: call.again(api) for name, call in story.calls.items()}
        assert answers == {
            name: (202, call.first.body, "true") for name, call in story.calls.items()
        }
        for name, call in story.calls.items():
            if call.path == SEND:
                other = {**call.body, "variables": {"name": "somebody else"}}
                answer = api.call("POST", SEND, other)
                assert (answer.status, answer.body["code"]) == (422, "idempotency_key_reused"), name


def test_every_link_and_token_works(story: Story) -> None:
    api, kept = replace(story.new, key=""), story.kept

    def post(path: str, body: Any) -> int:
        return api.call("POST", path, body, Authorization="").status

    assert post("/api/v1/users/email/confirm", {"token": unquote(kept["confirm"])}) == 204
    access = {"Authorization": f"Bearer {kept['access']}"}
    eve = f"/api/v1/users/{story.people['eve']}"
    assert api.call("GET", eve, **access).body["email_confirmed"] is True
    assert post("/api/v1/users/token/refresh", {"refresh": kept["refresh"]}) == 200
    new_password = {"token": unquote(kept["reset"]), "password": "another long passphrase"}
    assert post("/api/v1/users/password/reset/confirm", new_password) == 204

    one_click = urllib.request.Request(  # noqa: S310 - loopback.
        f"{story.new.base}/unsubscribe/{kept['unsubscribe']}",
        data=b"List-Unsubscribe=One-Click",
        method="POST",
    )
    with urllib.request.urlopen(one_click, timeout=20) as answer:  # noqa: S310 - as above.
        assert answer.status == 200
    story.send("unwanted", "leaving", api=story.new)
    end = story.new.ended(story.id_of("unwanted"))
    assert (end["status"], end["reason"]) == ("skipped", "opted_out")


def test_a_failure_of_the_earlier_release_can_be_replayed_as_a_dead_letter(story: Story) -> None:
    def letters() -> list[Any]:
        found = story.new.call("GET", "/api/v1/dead-letters/").body["results"]
        return [one for one in found if one["notification_id"] == story.id_of("failed")]

    (letter,) = until(letters, within=20, what="the dead letter")
    assert letter["reason"] == "unregistered"
    # FCM no longer knew the device, so it was retired; the user has another one now.
    device = {"push_token": "token-of-another-device"}
    path = f"/api/v1/users/{story.people['bouncing']}/devices/"
    assert story.new.call("POST", path, device).status == 201
    again = story.new.made(f"{SEND}{story.id_of('failed')}/replay", None)
    assert story.new.ended(again["id"])["status"] == "sent"


@pytest.mark.timeout(240)
def test_processes_of_both_releases_work_together_until_the_old_ones_stop(story: Story) -> None:
    installation = story.installation
    asked: list[str] = []

    def send(turn: str) -> None:
        """Send at both releases, for the lanes of both workers."""
        for number in range(10):
            api = (story.old, story.new)[number % 2]
            for channel in (story.send, story.push):
                name = f"{turn} {channel.__name__} {number}"
                asked.append(channel(name, "anna", api=api, priority=number))

    send("beside")
    assert set(story.new.all_ended(asked)) == {"sent"}
    installation.start(URGENT_MAILS_AND_PUSHES)
    send("two workers")
    assert story.older[URGENT_MAILS_AND_PUSHES].stop() == 0
    send("the last calls")
    assert story.older["web"].stop() == 0
    # The sweep finds a notification whose message was not published 60 s later (``FIRST_WAKE``).
    assert set(story.new.all_ended(asked, within=150)) == {"sent"}
    assert len(asked) == 60


def test_nothing_was_sent_twice(story: Story) -> None:
    smtp, fcm = story.installation.smtp, story.installation.fcm
    assert {name: count for name, count in smtp.message_ids.items() if count > 1} == {}
    assert {name: count for name, count in fcm.notification_ids.items() if count > 1} == {}
