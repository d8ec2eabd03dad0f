"""Dead letters are replayed and delivered after the fault, each once, even if processes die."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection

from apps.notifications.broker import topology
from tests import services
from tests.journeys.checkout import Checkout
from tests.journeys.http import Api, until
from tests.journeys.installation import Installation

pytestmark = pytest.mark.timeout(240)

PATH = "/api/v1/dead-letters/"
MAILS = 40


def mails_for(installation: Installation, notification_id: str) -> int:
    return sum(
        mail.parsed["Message-ID"].strip("<>").startswith(notification_id)
        for mail in installation.smtp.mails
    )


def letters_of(api: Api, template: str, state: str = "open") -> list[dict[str, Any]]:
    query = f"?template_code={template}&state={state}&page_size=200"
    return list(api.call("GET", PATH + query).body["results"])


@pytest.mark.services
def test_mails_that_a_server_refused_are_delivered_by_a_replay(
    installation: Installation, api: Api
) -> None:
    template, bob = api.mail_template(), api.user("bob")
    address = api.call("GET", f"/api/v1/users/{bob}").body["email"]
    installation.smtp.answer("rcpt", "550 5.6.0 Not this content", recipient=address)
    try:
        ids = [api.send("email", bob, template) for _ in range(MAILS)]
        assert set(api.all_ended(ids)) == {"failed"}
        until(lambda: len(letters_of(api, template)) == MAILS, within=30, what="the dead letters")
    finally:
        installation.smtp.rules.clear()
    letter = letters_of(api, template)[0]
    assert (letter["reason"], letter["provider"], letter["state"]) == ("rejected", "smtp", "open")

    asked = {"template_code": template, "rate_per_second": 10, "note": "the server is mended"}
    counted = api.call("POST", f"{PATH}replay", {**asked, "dry_run": True})
    assert (counted.status, counted.body) == (200, {"matched": MAILS})
    started = api.call("POST", f"{PATH}replay", asked)
    begun = time.monotonic()
    assert (started.status, started.body["matched"]) == (202, MAILS)
    itself = started.body["links"]["self"]

    def progress() -> dict[str, Any]:
        return dict(api.call("GET", itself).body)

    until(lambda: progress()["replayed"] >= MAILS // 4, within=20, what="a part of the replay")
    installation.processes["scheduler"].kill()
    halted = progress()
    assert halted["state"] == "running"
    assert halted["replayed"] + halted["remaining"] == MAILS
    installation.start("scheduler")
    ended = until(
        lambda: found if (found := progress())["state"] == "finished" else None,
        within=40,
        what="the end of the replay",
    )

    # The first letter is replayed at once, the others a tenth of a second apart.
    assert time.monotonic() - begun >= (MAILS - 1) / 10 - 1
    assert (ended["replayed"], ended["refused"], ended["remaining"]) == (MAILS, 0, 0)
    assert letters_of(api, template) == []
    replayed = letters_of(api, template, "replayed")
    assert {one["notification_id"] for one in replayed} == set(ids)
    news = [one["replayed_as"] for one in replayed]
    assert set(api.all_ended(news, within=90)) == {"sent"}
    assert [mails_for(installation, pk) for pk in news] == [1] * MAILS
    assert [mails_for(installation, pk) for pk in ids] == [0] * MAILS


@pytest.mark.services
def test_replaying_poison_delivers_the_waiting_notification_that_it_names(
    installation: Installation, api: Api
) -> None:
    installation.processes["email"].stop()
    try:
        waiting = api.send("email", api.user("alice"), api.mail_template())
        with Connection(services.BROKER_URL) as connection:
            # The message for it is lost, and another message with its id cannot be processed.
            time.sleep(1)
            installation.purge()
            producer = connection.Producer(exchange=topology.EXCHANGE, routing_key="email")
            task = {"task": "notifications.deliver_email", "id": f"torn-{waiting}"}
            producer.publish([[[waiting, "torn"], 0], {}, {}], headers=task, serializer="json")
    finally:
        installation.start("email")

    def poison() -> dict[str, Any] | None:
        found = api.call("GET", f"{PATH}?reason=rejected&channel=email").body["results"]
        return next((one for one in found if one["message_id"] == f"torn-{waiting}"), None)

    letter = until(poison, within=30, what="the poison")
    shown = api.call("GET", letter["links"]["self"]).body
    assert shown["x_death"][0]["queue"] == "email"
    assert waiting in shown["message"]["body"]
    assert api.status(waiting)["status"] == "pending"

    answer = api.call("POST", f"{PATH}{letter['id']}/replay", {"note": "it was a torn message"})

    assert (answer.status, answer.body["woken"]) == (202, [waiting])
    assert api.ended(waiting, within=20)["status"] == "sent"
    assert mails_for(installation, waiting) == 1


@pytest.mark.services
def test_the_command_line_can_replay_dead_letters(installation: Installation, api: Api) -> None:
    template, bob = api.mail_template(), api.user("bob")
    address = api.call("GET", f"/api/v1/users/{bob}").body["email"]
    installation.smtp.answer("rcpt", "550 5.6.0 Not this content", recipient=address)
    try:
        ids = [api.send("email", bob, template) for _ in range(3)]
        assert set(api.all_ended(ids)) == {"failed"}
        until(lambda: len(letters_of(api, template)) == 3, within=30, what="the dead letters")
    finally:
        installation.smtp.rules.clear()

    last = letters_of(api, template)[0]["id"]
    shown = json.loads(installation.manage("notify", "dead-letters", "show", last).split("\n{")[-1])
    assert shown["id"] == last
    installation.manage("notify", "dead-letters", "discard", last, "--reason", "enough")
    printed = installation.manage("notify", "dead-letters", "replay", "--template", template)

    assert "2 match" in printed
    assert "finished: 2 replayed, 0 refused, 0 remaining" in printed
    assert {one["id"] for one in letters_of(api, template, "discarded")} == {last}
    news = [one["replayed_as"] for one in letters_of(api, template, "replayed")]
    assert api.all_ended(news) == ["sent", "sent"]


@pytest.mark.embedded
def test_the_embedded_mode_replays_dead_letters_in_its_own_process(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    running = checkout.run()
    try:
        api = checkout.api
        template, bob = api.push_template(), api.user("bob", push_token="bounce-1")
        sent = api.send("push", bob, template)
        assert api.ended(sent)["status"] == "failed"
        until(lambda: letters_of(api, template), within=10, what="the dead letter")
        api.made(f"/api/v1/users/{bob}/devices/", {"push_token": "good-1"})

        started = api.call("POST", f"{PATH}replay", {"template_code": template})

        assert (started.status, started.body["matched"]) == (202, 1)
        until(lambda: letters_of(api, template, "replayed"), within=10, what="the replay")
        (letter,) = letters_of(api, template, "replayed")
        assert letter["notification_id"] == sent
        assert api.ended(letter["replayed_as"])["status"] == "delivered"
    finally:
        running.kill()
