"""An app reports what it got, by the receipt that rode in the push or by the token of its user."""

import base64
import json
from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.common.channels import Channel
from apps.common.ids import new_id
from apps.notifications.feedback import unsubscribe
from apps.notifications.feedback.app_receipts import AppReceipt, read_token, token_for
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notification, Receipt, SandboxMessage
from apps.users import tokens
from apps.users.models import Device, User
from tests.fakes.fcm_server import FcmServer
from tests.notifications.delivering import deliver
from tests.notifications.factories import accepted, client_with
from tests.notifications.problems import assert_problem
from tests.notifications.statistics.stored import counted, expected

URL = "/api/v1/receipts/app"


@pytest.fixture
def nobody() -> APIClient:
    return APIClient(raise_request_exception=False)


@pytest.fixture
def push(alice: User) -> Notification:
    """A push that FCM took."""
    row = accepted(alice, notification_type="push")
    Notification.objects.filter(pk=row.pk).update(status=Status.SENT, attempts=1)
    row.refresh_from_db()
    return row


def receipt_of(row: Notification) -> str:
    device = Device.objects.filter(user_id=row.user_id).order_by("pk")[0]
    return token_for(AppReceipt(notification_id=row.pk, device_id=device.pk))


def report(caller: APIClient, row: Notification, status: str, **given: Any) -> Any:
    body = {"notification_id": str(row.pk), "status": status, **given}
    return caller.post(URL, body, format="json")


def app_of(user: User) -> APIClient:
    caller = APIClient(raise_request_exception=False)
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.issue(user).access}")
    return caller


def assert_unchanged(row: Notification) -> None:
    row.refresh_from_db()
    assert row.status == Status.SENT
    assert Receipt.objects.count() == 0


@pytest.mark.parametrize("status", ["delivered", "opened"])
def test_the_receipt_of_a_push_is_a_credential(
    nobody: APIClient, push: Notification, status: str
) -> None:
    answer = report(nobody, push, status, receipt=receipt_of(push))

    assert (answer.status_code, answer.content) == (204, b"")
    push.refresh_from_db()
    # What is opened has arrived.
    assert push.status == "delivered"
    assert [(one.provider, one.event) for one in push.receipts.all()] == [("app", status)]


@pytest.mark.parametrize("status", ["delivered", "opened"])
def test_the_token_of_the_user_is_enough(alice: User, push: Notification, status: str) -> None:
    assert report(app_of(alice), push, status).status_code == 204
    push.refresh_from_db()
    assert push.status == "delivered"


def test_a_repeated_report_changes_nothing(nobody: APIClient, push: Notification) -> None:
    for status in ("delivered", "delivered", "opened", "opened", "delivered"):
        assert report(nobody, push, status, receipt=receipt_of(push)).status_code == 204

    assert [one.event for one in push.receipts.all()] == ["delivered", "opened"]


def test_the_statistics_count_one_ending(nobody: APIClient, alice: User) -> None:
    row = accepted(alice, notification_type="push")
    Notification.objects.filter(pk=row.pk).update(crashes=1)
    for status in ("opened", "delivered"):
        assert report(nobody, row, status, receipt=receipt_of(row)).status_code == 204
    assert counted() == expected()


def test_every_push_carries_its_receipt(
    nobody: APIClient, alice: User, fcm_server: FcmServer, settings: Any
) -> None:
    settings.PUSH_PROVIDERS = ["fcm"]
    Device.objects.create(user=alice, token="second", platform="ios")
    row = accepted(alice, notification_type="push")
    deliver(channel=Channel.PUSH, ids=[row.pk], attempt=0)

    data = [message["data"] for message in fcm_server.messages]

    found = [read_token(one["receipt"]) for one in data]
    assert {one.device_id for one in found if one} == {
        device.pk for device in Device.objects.filter(user=alice)
    }
    assert {one.notification_id for one in found if one} == {row.pk}
    for one in data:
        body = {
            "notification_id": one["notification_id"],
            "status": "delivered",
            "receipt": one["receipt"],
        }
        assert nobody.post(URL, body, format="json").status_code == 204
    row.refresh_from_db()
    assert row.status == "delivered"


def test_the_sandbox_shows_the_receipt(nobody: APIClient, alice: User) -> None:
    row = accepted(alice, notification_type="push")
    deliver(channel=Channel.PUSH, ids=[row.pk], attempt=0)

    shown = SandboxMessage.objects.get().data["receipt"]

    assert report(nobody, row, "opened", receipt=shown).status_code == 204


def test_a_report_before_the_record_settles_its_own_device(nobody: APIClient, alice: User) -> None:
    Device.objects.create(user=alice, token="second")
    row = accepted(alice, notification_type="push")
    Notification.objects.filter(pk=row.pk).update(crashes=1)

    assert report(nobody, row, "delivered", receipt=receipt_of(row)).status_code == 204

    deliver(channel=Channel.PUSH, ids=[row.pk], attempt=0)
    assert [message.recipient for message in SandboxMessage.objects.all()] == ["second"]


# --- what is not believed


def other_salt(row: Notification) -> str:
    subscription = unsubscribe.Subscription(user_id=row.user_id, category="news")
    return unsubscribe.token_for(subscription)


def unsigned(row: Notification) -> str:
    ids = base64.urlsafe_b64encode(row.pk.bytes + new_id().bytes).decode().rstrip("=")
    return f"{ids}:{'A' * 43}"


FORGED: dict[str, Any] = {
    "truncated": lambda row: receipt_of(row)[:-1],
    "longer": lambda row: f"{receipt_of(row)}A",
    "without a signature": lambda row: receipt_of(row).partition(":")[0],
    "with another signature": unsigned,
    "of another kind": other_salt,
    "of another push": lambda _: token_for(
        AppReceipt(notification_id=new_id(), device_id=new_id())
    ),
    "huge": lambda _: "A" * 500,
    "no ASCII": lambda _: "\u00e4:\u00df",
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_a_receipt_that_we_have_not_signed_for_this_push_is_a_401(
    nobody: APIClient, push: Notification, forge: Any
) -> None:
    answer = report(nobody, push, "delivered", receipt=forge(push))

    assert assert_problem(answer, 401)["code"] == "invalid_receipt"
    assert answer["WWW-Authenticate"]
    assert_unchanged(push)


def test_a_receipt_is_valid_while_its_key_is_a_fallback(
    nobody: APIClient, push: Notification, settings: Any
) -> None:
    receipt, old = receipt_of(push), settings.SECRET_KEY
    settings.SECRET_KEY = "another key, of fifty characters or so, for the test"
    assert_problem(report(nobody, push, "delivered", receipt=receipt), 401)
    assert_unchanged(push)

    settings.SECRET_KEY_FALLBACKS = [old]
    assert report(nobody, push, "delivered", receipt=receipt).status_code == 204


def test_without_any_credential_it_is_a_401(nobody: APIClient, push: Notification) -> None:
    assert assert_problem(report(nobody, push, "delivered"), 401)["code"] == "not_authenticated"
    assert_unchanged(push)


def test_a_user_reports_nothing_about_others(bob: User, push: Notification) -> None:
    assert_problem(report(app_of(bob), push, "opened"), 404)
    User.objects.filter(pk=bob.pk).update(is_staff=True, is_superuser=True)
    assert_problem(report(app_of(bob), push, "opened"), 404)
    assert_unchanged(push)


def test_an_api_key_has_an_endpoint_of_its_own(alice: User, push: Notification) -> None:
    assert_problem(report(client_with(), push, "opened"), 403)
    assert_unchanged(push)


def test_a_push_that_was_never_sent_is_a_409(alice: User) -> None:
    row = accepted(alice, notification_type="push")
    answer = report(app_of(alice), row, "delivered")
    assert assert_problem(answer, 409)["code"] == "never_sent"
    assert Receipt.objects.count() == 0


def test_a_mail_has_no_receipts_of_an_app(alice: User, nobody: APIClient) -> None:
    row = accepted(alice)
    Notification.objects.filter(pk=row.pk).update(status=Status.SENT, attempts=1)
    assert_problem(report(app_of(alice), row, "opened"), 404)
    token = token_for(AppReceipt(notification_id=row.pk, device_id=new_id()))
    assert_problem(report(nobody, row, "opened", receipt=token), 404)
    assert_unchanged(row)


def test_a_push_that_was_purged_is_a_404(nobody: APIClient, db: None) -> None:
    gone = Notification(pk=new_id())
    token = token_for(AppReceipt(notification_id=gone.pk, device_id=new_id()))
    assert_problem(report(nobody, gone, "opened", receipt=token), 404)


@pytest.mark.parametrize(
    "change",
    [
        {"status": "failed"},
        {"status": "bounced"},
        {"status": 1},
        {"notification_id": "x"},
        {"receipt": 5},
        {"receipt": "x" * 600},
        {"more": True},
    ],
)
def test_bad_input_is_a_400(nobody: APIClient, push: Notification, change: dict[str, Any]) -> None:
    given = {"notification_id": str(push.pk), "status": "delivered", "receipt": receipt_of(push)}
    assert_problem(nobody.post(URL, {**given, **change}, format="json"), 400)
    assert_unchanged(push)


@pytest.mark.parametrize("body", [b"[]", b"null", b"", b"{"])
def test_a_body_that_is_no_object_is_a_400(
    nobody: APIClient, push: Notification, body: bytes
) -> None:
    given: Any = body
    assert_problem(nobody.generic("POST", URL, given, content_type="application/json"), 400)


def test_a_body_of_ten_megabytes_is_a_413(nobody: APIClient, push: Notification) -> None:
    given: Any = json.dumps({"receipt": "x" * 10_000_000})
    assert_problem(nobody.generic("POST", URL, given, content_type="application/json"), 413)
    assert_unchanged(push)
