"""Requests are delivered to a mail server and to FCM, once each, with the right statuses."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from uuid import uuid4

import pytest

from tests.fakes.fcm_server import refusal
from tests.fakes.http_server import json_answer
from tests.journeys.http import Api, until
from tests.journeys.installation import Installation

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]


def test_a_thousand_mixed_notifications_arrive_once_each(
    installation: Installation, api: Api
) -> None:
    mail, push = api.mail_template(), api.push_template()
    users = [api.user(f"user{n}", push_token=f"token-{uuid4().hex}") for n in range(10)]
    mails_before, pushes_before = len(installation.smtp.mails), len(installation.fcm.messages)

    def send(n: int) -> str:
        channel, template = ("email", mail) if n % 2 else ("push", push)
        return api.send(
            channel, users[n % 10], template, request_id=f"thousand-{n}", priority=n % 10
        )

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(send, range(1000)))
        repeated = list(pool.map(send, range(0, 1000, 50)))

    assert len(set(ids)) == 1000
    assert repeated == ids[::50]
    assert set(api.all_ended(ids, within=90)) == {"sent"}
    mails = installation.smtp.mails[mails_before:]
    pushes = installation.fcm.messages[pushes_before:]
    assert len(mails) == 500
    assert len(pushes) == 500
    by_message_id = {mail.parsed["Message-ID"].strip("<>").partition("@")[0] for mail in mails}
    by_data = {push["data"]["notification_id"] for push in pushes}
    assert by_message_id | by_data == set(ids)


def test_a_mail_in_an_idle_system_does_not_wait_for_the_sweep(
    installation: Installation, api: Api
) -> None:
    template, alice = api.mail_template(), api.user("alice")
    installation.processes["scheduler"].kill()
    try:
        for _ in range(5):
            before = len(installation.smtp.mails)
            api.send("email", alice, template)
            until(lambda: len(installation.smtp.mails) > before, within=20, what="the mail")  # noqa: B023 - used at once.
    finally:
        installation.start("scheduler")


def test_the_timeline_shows_every_step(installation: Installation, api: Api) -> None:
    sent = api.send("email", api.user("alice"), api.mail_template())

    status = api.ended(sent)

    assert [entry["status"] for entry in status["timeline"]] == ["pending", "sending", "sent"]
    assert status["timeline"][1]["provider"] == "smtp"
    assert status["timeline"][1]["attempt"] == 1
    assert status["attempts"] == 1
    times = [datetime.fromisoformat(entry["at"]) for entry in status["timeline"]]
    assert times == sorted(times)


def test_a_user_without_a_device_is_skipped(api: Api) -> None:
    status = api.ended(api.send("push", api.user("bob"), api.push_template()))

    assert (status["status"], status["reason"], status["attempts"]) == ("skipped", "no_device", 0)


def test_a_user_who_opted_out_is_skipped(api: Api) -> None:
    bob = api.user("bob", preferences={"email": False, "push": True})

    status = api.ended(api.send("email", bob, api.mail_template()))

    assert (status["status"], status["reason"], status["attempts"]) == ("skipped", "opted_out", 0)


def test_a_dead_token_fails_is_retired_and_becomes_a_dead_letter(
    installation: Installation, api: Api
) -> None:
    token = f"dead-{uuid4().hex}"
    installation.fcm.answer(token, refusal(404, "NOT_FOUND", "gone", fcm="UNREGISTERED"))
    bob, template = api.user("bob", push_token=token), api.push_template()

    sent = api.send("push", bob, template)
    status = api.ended(sent)
    again = api.ended(api.send("push", bob, template))

    assert (status["status"], status["reason"]) == ("failed", "unregistered")
    assert (again["status"], again["reason"]) == ("skipped", "no_device")
    recorded = until(
        lambda: installation.query(
            "SELECT reason, channel FROM notifications_deadletter WHERE notification_id = %s", sent
        ),
        within=10,
        what="the dead letter",
    )
    assert recorded == [("unregistered", "push")]


def test_a_hard_bounce_bounces_and_suppresses_the_address(
    installation: Installation, api: Api
) -> None:
    bob, template = api.user("gone"), api.mail_template()
    address = api.call("GET", f"/api/v1/users/{bob}").body["email"]
    installation.smtp.answer("rcpt", "550 5.1.1 No such user", recipient=address)

    bounced = api.ended(api.send("email", bob, template))
    after = api.ended(api.send("email", bob, template))

    assert (bounced["status"], bounced["reason"]) == ("bounced", "hard_bounce")
    assert (after["status"], after["reason"]) == ("skipped", "suppressed")


def test_only_the_failed_device_of_two_is_retried(installation: Installation, api: Api) -> None:
    good, slow = f"good-{uuid4().hex}", f"slow-{uuid4().hex}"
    fine = json_answer(200, {"name": "projects/p/messages/1"})
    installation.fcm.answer(slow, refusal(500, "INTERNAL", "oops", fcm="INTERNAL"), fine)
    bob = api.user("bob", push_token=good)
    api.made(f"/api/v1/users/{bob}/devices/", {"push_token": slow})

    sent = api.send("push", bob, api.push_template())
    status = api.ended(sent)

    calls = installation.query(
        "SELECT number, outcome, count(DISTINCT device_id) FROM notifications_attempt"
        " WHERE notification_id = %s GROUP BY number, outcome ORDER BY number, outcome",
        sent,
    )
    assert status["status"] == "sent"
    assert status["attempts"] == 2
    assert calls == [(1, "accepted", 1), (1, "transient", 1), (2, "accepted", 1)]


def test_a_provider_outage_causes_retries_and_no_failures(
    installation: Installation, api: Api
) -> None:
    template, alice = api.mail_template(), api.user("alice")
    installation.smtp.stop_serving()
    try:
        ids = [api.send("email", alice, template) for _ in range(20)]
        waiting = until(
            lambda: [s for pk in ids if (s := api.status(pk))["status"] == "retrying"],
            within=20,
            what="a retry",
        )
        assert waiting[0]["next_attempt_at"] is not None
        time.sleep(6)
    finally:
        installation.smtp.serve_again()

    assert set(api.all_ended(ids, within=60)) == {"sent"}
    # The first mails were tried and failed; the others waited for the breaker without an attempt.
    attempts = [api.status(pk)["attempts"] for pk in ids]
    assert max(attempts) > 1
    assert min(attempts) >= 1


def test_a_scheduled_mail_is_sent_on_time(installation: Installation, api: Api) -> None:
    due = time.time() + 3
    sent = api.send(
        "email",
        api.user("alice"),
        api.mail_template(),
        scheduled_for=datetime.fromtimestamp(due).astimezone().isoformat(),
    )
    assert api.status(sent)["status"] == "scheduled"

    status = api.ended(sent)

    assert status["status"] == "sent"
    at = datetime.fromisoformat(status["timeline"][-1]["at"]).timestamp()
    assert due <= at < due + 3


def test_test_keys_send_only_to_the_sandbox(installation: Installation) -> None:
    testing_client = installation.api(kind="test")
    mails_before = len(installation.smtp.mails)

    sent = testing_client.send(
        "email", testing_client.user("alice"), testing_client.mail_template()
    )
    status = testing_client.ended(sent)

    assert status["status"] == "delivered"
    assert status["timeline"][1]["provider"] == "sandbox"
    assert len(installation.smtp.mails) == mails_before
    assert installation.api().call("GET", f"/api/v1/notifications/{sent}").status == 404


def test_the_correlation_id_is_in_the_mail_the_log_and_the_attempt(
    installation: Installation, api: Api
) -> None:
    template, alice = api.mail_template(), api.user("alice")
    body = {
        "notification_type": "email",
        "user_id": alice,
        "template_code": template,
        "variables": {"name": "Ada"},
    }
    answer = api.call("POST", "/api/v1/notifications/", body, X_Correlation_ID="order-4711")
    api.ended(answer.body["id"])

    assert answer.headers["X-Correlation-ID"] == "order-4711"
    mail = installation.smtp.mails[-1].parsed
    assert mail["X-Correlation-ID"] == "order-4711"
    log = installation.folder / "email.log"
    # Log lines are buffered for a moment and written together.
    until(lambda: "order-4711" in log.read_text(), within=2, what="the line in the log")
    attempts = installation.query(
        "SELECT correlation_id FROM notifications_attempt WHERE notification_id = %s",
        answer.body["id"],
    )
    assert attempts == [("order-4711",)]
