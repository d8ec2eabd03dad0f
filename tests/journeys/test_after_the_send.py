"""What happened after the send, walked on the real stack: events, bounces, receipts, webhooks."""

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.http_server import Answer, Request
from tests.fakes.sendgrid_events import URL as SENDGRID
from tests.fakes.sendgrid_events import EventSigner, event
from tests.fakes.webhook_receiver import WebhookReceiver
from tests.journeys.http import Api, until
from tests.journeys.installation import ROLES, Installation
from tests.journeys.processes import BIN, bare_environment
from tests.notifications.feedback.bounces.messages import Original, postfix

pytestmark = [pytest.mark.services, pytest.mark.timeout(240)]

OPERATOR = "operator@example.com"


@pytest.fixture(scope="module")
def signer() -> EventSigner:
    return EventSigner()


@pytest.fixture(scope="module")
def installed(
    tmp_path_factory: pytest.TempPathFactory, signer: EventSigner, installation: Installation
) -> Iterator[Installation]:
    own = Installation(
        tmp_path_factory.mktemp("after-the-send"),
        roles=(*ROLES, "webhooks"),
        SENDGRID_WEBHOOK_PUBLIC_KEY=signer.public_key,
        WEBHOOK_ALLOW_PRIVATE="true",
        OPERATOR_EMAILS=OPERATOR,
    )
    with installation.gone(), own as running:
        yield running


@pytest.fixture(scope="module")
def shop(installed: Installation) -> Api:
    return installed.api()


@pytest.fixture
def hook(shop: Api) -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as receiver:
        made = shop.made("/api/v1/webhooks/", {"url": receiver.hook, "events": ["*"]})
        receiver.secret = made["secret"]
        receiver.webhook_id = made["id"]  # type: ignore[attr-defined]
        yield receiver
        shop.call("DELETE", f"/api/v1/webhooks/{made['id']}")


def told(receiver: WebhookReceiver, notification_id: str) -> list[str]:
    return [
        one["type"].removeprefix("notification.")
        for one in list(receiver.events)
        if one["data"].get("notification_id") == notification_id
    ]


def anonymously(shop: Api, path: str, body: dict[str, Any]) -> int:
    request = urllib.request.Request(  # noqa: S310 - loopback.
        f"{shop.base}{path}",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - loopback.
        return int(answer.status)


def delivered_by(signer: EventSigner, shop: Api, *events: dict[str, Any]) -> int:
    body = json.dumps(events).encode()
    return shop.call("POST", SENDGRID, body, **signer.headers(body)).status


def address_of(installed: Installation, shop: Api, user: str) -> str:
    return str(shop.call("GET", f"/api/v1/users/{user}").body["email"])


def test_events_of_sendgrid_move_statuses_and_are_told(
    installed: Installation, shop: Api, signer: EventSigner, hook: WebhookReceiver
) -> None:
    user, template = shop.user("ada"), shop.mail_template()
    address = address_of(installed, shop, user)
    first, second = (shop.send("email", user, template) for _ in range(2))
    shop.all_ended([first, second])

    arrived = event(first, "delivered", email=address)
    bounced = event(second, "bounce", email=address, type="bounce", reason="550 5.1.1 unknown")
    assert delivered_by(signer, shop, bounced, arrived, arrived) == 204
    assert delivered_by(signer, shop, arrived) == 204
    assert shop.status(first)["status"] == "delivered"
    assert (shop.status(second)["status"], shop.status(second)["reason"]) == (
        "bounced",
        "hard_bounce",
    )
    body = json.dumps([arrived]).encode()
    forged = shop.call("POST", SENDGRID, body + b" ", **signer.headers(body))
    assert forged.status == 401
    old = signer.headers(body, age=90_000)
    assert shop.call("POST", SENDGRID, body, **old).status == 401

    until(lambda: "delivered" in told(hook, first), within=30, what="the event")
    until(lambda: "bounced" in told(hook, second), within=30, what="the event")
    assert sorted(told(hook, first)) == ["accepted", "delivered", "sent"]

    # The address gets no more mail, until somebody takes it off the list with a reason.
    third = shop.send("email", user, template)
    assert shop.ended(third)["reason"] == "suppressed"
    found = shop.call("GET", f"/api/v1/suppressions/?email={address}").body["results"]
    (entry,) = found
    assert (entry["reason"], entry["source"]) == ("hard_bounce", "sendgrid")
    place = f"/api/v1/suppressions/{entry['id']}"
    assert shop.call("DELETE", f"{place}?reason=works+again").status == 204
    assert shop.ended(shop.send("email", user, template))["status"] == "sent"


def test_a_bounce_over_smtp_is_read_by_the_command_and_by_the_call(
    installed: Installation, shop: Api
) -> None:
    template = shop.mail_template()
    for way in ("call", "command"):
        user = shop.user(f"bounce-{way}")
        address = address_of(installed, shop, user)
        before = len(installed.smtp.mails)
        sent = shop.send("email", user, template)
        shop.ended(sent)
        mail = installed.smtp.mails[before].parsed
        original = Original(
            message_id=mail["Message-ID"],
            correlation_id=mail["X-Correlation-ID"],
            recipient=address,
        )
        report = postfix(original).replace(b"alice@example.com", address.encode())
        if way == "call":
            kind = {"Content_Type": "message/rfc822"}
            answer = shop.call("POST", "/api/v1/receipts/dsn", report, **kind)
            assert (answer.status, answer.body["matched"]) == (202, True)
        else:
            bounced = subprocess.run(  # noqa: S603 - the command, as a mail server calls it.
                [f"{BIN}/python", "manage.py", "notify", "bounce"],
                input=report,
                cwd=installed.root,
                env={**bare_environment(), **installed.env},
                capture_output=True,
                check=True,
            )
            assert bounced.stdout.startswith(b"bounced")
        assert shop.status(sent)["status"] == "bounced"
        assert shop.ended(shop.send("email", user, template))["reason"] == "suppressed"


def test_an_app_reports_with_the_receipt_that_rode_in_the_push(
    installed: Installation, shop: Api, hook: WebhookReceiver
) -> None:
    user = shop.user("app", push_token=f"token-{time.time_ns()}")
    before = len(installed.fcm.messages)
    sent = shop.send("push", user, shop.push_template())
    shop.ended(sent)
    data = installed.fcm.messages[before]["data"]
    report = {"notification_id": sent, "status": "opened", "receipt": data["receipt"]}
    for _ in range(2):
        assert anonymously(shop, "/api/v1/receipts/app", report) == 204
    until(lambda: shop.status(sent)["status"] == "delivered", within=10, what="delivered")
    until(lambda: "opened" in told(hook, sent), within=30, what="the event")
    assert told(hook, sent).count("opened") == 1


def test_every_event_arrives_although_the_worker_is_killed_and_the_receiver_fails(
    installed: Installation, shop: Api, hook: WebhookReceiver
) -> None:
    user, template = shop.user("many"), shop.mail_template()
    refused: set[str] = set()

    def refuse_three_once(request: Request) -> Answer:
        event_id = request.headers["webhook-id"]
        if len(refused) < 3 and event_id not in refused:
            refused.add(event_id)
            return Answer(status=503)
        return Answer(status=204)

    hook.script = refuse_three_once
    ids = [shop.send("email", user, template) for _ in range(30)]
    installed.processes["webhooks"].kill()
    shop.all_ended(ids)
    installed.start("webhooks")

    until(
        lambda: all({"accepted", "sent"} <= set(told(hook, pk)) for pk in ids),
        within=150,
        what="all events",
    )
    assert hook.forged == 0
    log = f"/api/v1/webhooks/{hook.webhook_id}/deliveries/"  # type: ignore[attr-defined]

    def tried_again() -> list[dict[str, Any]]:
        page = f"{log}?state=delivered&page_size=200"
        rows = shop.call("GET", page).body["results"]
        return [one for one in rows if len(one["attempts"]) > 1]

    tried = until(tried_again, within=30, what="those that met a 503")
    assert tried[0]["attempts"][0]["status_code"] == 503
    again = shop.call("POST", f"{log}{tried[0]['id']}/redeliver")
    assert again.status == 202
    event_id = tried[0]["event_id"]
    until(lambda: hook.ids()[event_id] >= 3, within=30, what="the redelivery")


def test_explain_says_beforehand_what_then_happens(installed: Installation, shop: Api) -> None:
    template = shop.mail_template()
    wants, does_not = shop.user("wants"), shop.user("does-not")
    place = f"/api/v1/users/{does_not}/preferences"
    assert shop.call("PATCH", place, {"email": False}).status == 200
    for user, outcome, status in ((wants, "send", "sent"), (does_not, "skip", "skipped")):
        body = {
            "notification_type": "email",
            "user_id": user,
            "template_code": template,
            "variables": {"name": "Ada"},
        }
        explained = shop.call("POST", "/api/v1/notifications/explain", body).body
        assert explained["outcome"] == outcome, explained
        ended = shop.ended(str(shop.made("/api/v1/notifications/", body)["id"]))
        assert ended["status"] == status
        assert (ended["reason"] or None) == explained["reason"]


def test_operators_are_told_that_a_webhook_was_disabled(
    installed: Installation, shop: Api, hook: WebhookReceiver
) -> None:
    def mails() -> list[Any]:
        return [one for one in installed.smtp.mails if one.recipient == OPERATOR]

    before = len(mails())
    hook.script = lambda _: Answer(status=410)
    place = f"/api/v1/webhooks/{hook.webhook_id}"  # type: ignore[attr-defined]
    assert shop.call("POST", f"{place}/test").status == 202
    until(
        lambda: shop.call("GET", place).body["disabled_reason"] == "gone",
        within=30,
        what="the webhook to be disabled",
    )
    until(lambda: len(mails()) == before + 1, within=90, what="the mail to the operator")
    assert "webhook" in mails()[-1].parsed["Subject"]
