"""Upgrade an installation of an earlier release while it runs; nothing is lost.

The earlier release fills the database: users, templates, rows in every status, unfinished batches.
Then this release migrates and starts, and workers and web processes of both run at the same time.
"""

import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest

from apps.notifications.lifecycle.states import Status
from tests.chaos.worktree import BEFORE, worktree
from tests.journeys.http import until
from tests.upgrades.upgrade_run import (
    MOST_MAILS,
    SEND,
    STATUSES,
    UPLOADED,
    URGENT_MAILS_AND_PUSHES,
    UpgradedInstallation,
    UpgradeRun,
    create_finished_rows,
    create_people,
    create_unfinished_rows,
    request_links,
    upgrade_to_this_release,
)

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

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


@pytest.fixture(scope="module")
def upgrade(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpgradeRun]:
    folder = tmp_path_factory.mktemp("upgrade")
    with (
        worktree(BEFORE, folder / "before") as root,
        UpgradedInstallation(
            folder,
            root=root,
            roles=("web", MOST_MAILS, URGENT_MAILS_AND_PUSHES),
            OPEN_REGISTRATION="true",
        ) as installation,
        ExitStack() as processes,
    ):
        api = installation.api()
        # Until this release runs, every call is sent to the previous one.
        prepared = UpgradeRun(installation=installation, old=api, new=api)
        create_people(prepared)
        create_finished_rows(prepared)
        request_links(prepared)
        create_unfinished_rows(prepared)
        prepared.before = {name: prepared.status(name) for name in STATUSES}
        upgrade_to_this_release(prepared, processes)
        yield prepared


def test_the_earlier_release_left_a_row_in_every_status(upgrade: UpgradeRun) -> None:
    left = {name: (one["status"], one["reason"]) for name, one in upgrade.before.items()}
    assert left == STATUSES
    assert {status for status, _ in left.values()} == set(Status) - {Status.EXPIRED}


def test_nothing_is_missing_without_a_worker_of_the_webhooks(upgrade: UpgradeRun) -> None:
    """The earlier release has none, and nobody has registered a webhook yet."""
    services = upgrade.new.call("GET", "/api/v1/services/").body
    assert "webhooks" in {queue["name"] for queue in services["queues"]}
    assert "webhooks" not in {queue for each in services["processes"] for queue in each["queues"]}
    assert upgrade.installation.ready()["status"] == "ok"


def test_every_row_gets_its_expected_final_status(upgrade: UpgradeRun) -> None:
    moving = [name for name, end in ENDS.items() if end != STATUSES[name]]
    upgrade.new.all_ended([upgrade.id_of(name) for name in moving], within=60)
    ends = {name: upgrade.new.status(upgrade.id_of(name)) for name in ENDS}
    assert {name: (one["status"], one["reason"]) for name, one in ends.items()} == ENDS
    for name, before in upgrade.before.items():
        # The timeline of the earlier release is still the beginning of the timeline.
        assert ends[name]["timeline"][: len(before["timeline"])] == before["timeline"]
        if name not in moving:
            assert ends[name] == before


def test_unfinished_batches_are_completed(upgrade: UpgradeRun) -> None:
    def stands(name: str) -> tuple[str, int, dict[str, int]]:
        path = f"/api/v1/batches/{upgrade.calls[name].first.body['batch_id']}"
        got = upgrade.new.call("GET", path).body
        return got["state"], got["accepted"], got["counts"]

    paused = f"/api/v1/batches/{upgrade.calls['paused'].first.body['batch_id']}"
    assert stands("paused") == ("paused", 0, {})
    assert upgrade.new.call("POST", f"{paused}/resume").status == 200
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


def test_every_idempotency_key_gives_its_first_answer_at_both_releases(upgrade: UpgradeRun) -> None:
    upgrade.send("by the new one", "anna", api=upgrade.new)
    for api in (upgrade.new, upgrade.old):
        answers = {name: call.again(api) for name, call in upgrade.calls.items()}
        assert answers == {
            name: (202, call.first.body, "true") for name, call in upgrade.calls.items()
        }
        for name, call in upgrade.calls.items():
            if call.path == SEND:
                other = {**call.body, "variables": {"name": "somebody else"}}
                answer = api.call("POST", SEND, other)
                assert (answer.status, answer.body["code"]) == (422, "idempotency_key_reused"), name


def test_every_link_and_token_works(upgrade: UpgradeRun) -> None:
    api, kept = replace(upgrade.new, key=""), upgrade.kept

    def post(path: str, body: Any) -> int:
        return api.call("POST", path, body, Authorization="").status

    assert post("/api/v1/users/email/confirm", {"token": unquote(kept["confirm"])}) == 204
    access = {"Authorization": f"Bearer {kept['access']}"}
    eve = f"/api/v1/users/{upgrade.people['eve']}"
    assert api.call("GET", eve, **access).body["email_confirmed"] is True
    assert post("/api/v1/users/token/refresh", {"refresh": kept["refresh"]}) == 200
    new_password = {"token": unquote(kept["reset"]), "password": "another long passphrase"}
    assert post("/api/v1/users/password/reset/confirm", new_password) == 204

    one_click = urllib.request.Request(  # noqa: S310 - loopback.
        f"{upgrade.new.base}/unsubscribe/{kept['unsubscribe']}",
        data=b"List-Unsubscribe=One-Click",
        method="POST",
    )
    with urllib.request.urlopen(one_click, timeout=20) as answer:  # noqa: S310 - as above.
        assert answer.status == 200
    upgrade.send("unwanted", "leaving", api=upgrade.new)
    end = upgrade.new.ended(upgrade.id_of("unwanted"))
    assert (end["status"], end["reason"]) == ("skipped", "opted_out")


def test_a_failure_of_the_earlier_release_can_be_replayed_as_a_dead_letter(
    upgrade: UpgradeRun,
) -> None:
    def letters() -> list[Any]:
        found = upgrade.new.call("GET", "/api/v1/dead-letters/").body["results"]
        return [one for one in found if one["notification_id"] == upgrade.id_of("failed")]

    (letter,) = until(letters, within=20, what="the dead letter")
    assert letter["reason"] == "unregistered"
    # FCM no longer knew the device, so it was retired; the user has another one now.
    device = {"push_token": "token-of-another-device"}
    path = f"/api/v1/users/{upgrade.people['bouncing']}/devices/"
    assert upgrade.new.call("POST", path, device).status == 201
    again = upgrade.new.made(f"{SEND}{upgrade.id_of('failed')}/replay", None)
    assert upgrade.new.ended(again["id"])["status"] == "sent"


@pytest.mark.timeout(240)
def test_processes_of_both_releases_work_together_until_the_old_ones_stop(
    upgrade: UpgradeRun,
) -> None:
    installation = upgrade.installation
    asked: list[str] = []

    def send(turn: str) -> None:
        """Send at both releases, for the lanes of both workers."""
        for number in range(10):
            api = (upgrade.old, upgrade.new)[number % 2]
            for channel in (upgrade.send, upgrade.push):
                name = f"{turn} {channel.__name__} {number}"
                asked.append(channel(name, "anna", api=api, priority=number))

    send("beside")
    assert set(upgrade.new.all_ended(asked)) == {"sent"}
    installation.start(URGENT_MAILS_AND_PUSHES)
    send("two workers")
    assert upgrade.older[URGENT_MAILS_AND_PUSHES].stop() == 0
    send("the last calls")
    assert upgrade.older["web"].stop() == 0
    # The sweep finds a notification whose message was not published 60 s later (``FIRST_WAKE``).
    assert set(upgrade.new.all_ended(asked, within=150)) == {"sent"}
    assert len(asked) == 60


def test_nothing_was_sent_twice(upgrade: UpgradeRun) -> None:
    smtp, fcm = upgrade.installation.smtp, upgrade.installation.fcm
    assert {name: count for name, count in smtp.message_ids.items() if count > 1} == {}
    assert {name: count for name, count in fcm.notification_ids.items() if count > 1} == {}
