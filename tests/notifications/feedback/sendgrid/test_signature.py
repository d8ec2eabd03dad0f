"""Only what SendGrid has signed lately is taken; nothing else is stored."""

import base64
import json
from typing import Any

import pytest

from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notification, Receipt
from apps.users.models import Suppression, User
from tests.fakes.sendgrid_events import SIGNATURE, TIMESTAMP, EventSigner, event, post
from tests.notifications.factories import row_with_status
from tests.notifications.problems import assert_problem


@pytest.fixture
def sent(alice: User) -> Notification:
    return row_with_status(alice, Status.SENT, attempts=1)


def assert_unchanged(row: Notification) -> None:
    row.refresh_from_db()
    assert row.status == Status.SENT
    assert (Receipt.objects.count(), Suppression.objects.count()) == (0, 0)


def test_a_signed_delivery_is_a_204(sendgrid_events: EventSigner, sent: Notification) -> None:
    answer = sendgrid_events.deliver(event(sent.pk, "delivered"))

    assert (answer.status_code, answer.content) == (204, b"")
    sent.refresh_from_db()
    assert sent.status == Status.DELIVERED


def test_without_a_key_the_endpoint_does_not_exist(sent: Notification, settings: Any) -> None:
    settings.SENDGRID_WEBHOOK_PUBLIC_KEYS = []

    assert_problem(EventSigner().deliver(event(sent.pk, "bounce")), 404)
    assert_problem(post(b"", {}), 404)
    assert_unchanged(sent)


def test_each_of_several_keys_verifies(
    sendgrid_events: EventSigner, sent: Notification, settings: Any
) -> None:
    older = EventSigner()
    settings.SENDGRID_WEBHOOK_PUBLIC_KEYS = [sendgrid_events.public_key, older.public_key]

    assert older.deliver(event(sent.pk, "delivered")).status_code == 204
    assert sendgrid_events.deliver(event(sent.pk, "open")).status_code == 204
    assert Receipt.objects.count() == 2


def test_a_delivery_that_somebody_else_signed_is_a_401(
    sendgrid_events: EventSigner, sent: Notification
) -> None:
    answer = EventSigner().deliver(event(sent.pk, "bounce"))

    assert assert_problem(answer, 401)["code"] == "invalid_signature"
    assert answer["WWW-Authenticate"]
    assert_unchanged(sent)


@pytest.mark.parametrize(
    "change",
    [
        lambda headers: {**headers, SIGNATURE: headers[SIGNATURE][:-8]},
        lambda headers: {**headers, SIGNATURE: headers[SIGNATURE][:40]},
        lambda headers: {**headers, SIGNATURE: "no base64 at all"},
        lambda headers: {**headers, SIGNATURE: base64.b64encode(b"0" * 70).decode()},
        lambda headers: {**headers, SIGNATURE: "A" * 8000},
        lambda headers: {**headers, SIGNATURE: ""},
        lambda headers: {**headers, TIMESTAMP: str(int(headers[TIMESTAMP]) + 1)},
        lambda headers: {**headers, TIMESTAMP: ""},
        lambda headers: {**headers, TIMESTAMP: "\u00b2"},
        lambda headers: {TIMESTAMP: headers[TIMESTAMP]},
        lambda _: {},
    ],
)
def test_a_forged_or_truncated_signature_is_a_401(
    sendgrid_events: EventSigner, sent: Notification, change: Any
) -> None:
    body = json.dumps([event(sent.pk, "bounce")]).encode()

    answer = post(body, change(sendgrid_events.headers(body)))

    assert assert_problem(answer, 401)["code"] == "invalid_signature"
    assert_unchanged(sent)


def test_a_signature_holds_for_its_own_body_alone(
    sendgrid_events: EventSigner, sent: Notification
) -> None:
    signed = json.dumps([event(sent.pk, "open")]).encode()
    headers = sendgrid_events.headers(signed)

    answer = post(json.dumps([event(sent.pk, "bounce")]).encode(), headers)
    assert_problem(answer, 401)
    # The bytes are signed: the same JSON with another blank is another body.
    assert_problem(post(signed + b" ", headers), 401)
    assert_unchanged(sent)


@pytest.mark.parametrize("age", [86_400 + 60, 10 * 365 * 86_400, -86_400 - 60])
def test_a_delivery_that_was_signed_long_ago_is_a_401(
    sendgrid_events: EventSigner, sent: Notification, age: int
) -> None:
    answer = sendgrid_events.deliver(event(sent.pk, "bounce"), age=age)

    assert assert_problem(answer, 401)["code"] == "old_signature"
    assert_unchanged(sent)


def test_a_delivery_that_is_repeated_for_a_day_is_taken(
    sendgrid_events: EventSigner, sent: Notification
) -> None:
    assert sendgrid_events.deliver(event(sent.pk, "delivered"), age=86_000).status_code == 204
    assert Receipt.objects.count() == 1


def test_a_replayed_delivery_changes_nothing(
    sendgrid_events: EventSigner, sent: Notification
) -> None:
    body = json.dumps([event(sent.pk, "bounce", type="bounce")]).encode()
    headers = sendgrid_events.headers(body)
    assert post(body, headers).status_code == 204
    # An operator has taken the address off the list since.
    Suppression.objects.all().delete()

    assert post(body, headers).status_code == 204

    assert (Receipt.objects.count(), Suppression.objects.count()) == (1, 0)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed_json"),
        (b"[", "malformed_json"),
        (b"\xff\xfe[]", "malformed_json"),
        (b"{}", "invalid"),
        (b"null", "invalid"),
        (b'"text"', "invalid"),
        (b'[{"event": "open"}, 5]', "invalid"),
        (b"[[]]", "invalid"),
        (b"[" * 100_000, "too_deep"),
        (b"[" + b"9" * 5000 + b"]", "malformed_json"),
    ],
)
def test_a_signed_body_that_is_no_list_of_events_is_a_400(
    sendgrid_events: EventSigner, sent: Notification, body: bytes, code: str
) -> None:
    answer = sendgrid_events.deliver_body(body)

    assert assert_problem(answer, 400)["code"] == code
    assert_unchanged(sent)


def test_a_body_of_ten_megabytes_is_a_413(sendgrid_events: EventSigner, sent: Notification) -> None:
    body = json.dumps([event(sent.pk, "bounce", response="x" * 10_000_000)]).encode()

    assert_problem(sendgrid_events.deliver_body(body), 413)
    assert_unchanged(sent)


def test_another_media_type_is_a_415(sendgrid_events: EventSigner, sent: Notification) -> None:
    body = json.dumps([event(sent.pk, "bounce")]).encode()
    headers = {**sendgrid_events.headers(body), "Content-Type": "text/plain"}

    assert_problem(post(body, headers), 415)
    assert_unchanged(sent)


def test_an_empty_list_is_a_204(sendgrid_events: EventSigner, db: None) -> None:
    assert sendgrid_events.deliver().status_code == 204


def test_no_other_credential_is_needed_or_read(
    sendgrid_events: EventSigner, sent: Notification
) -> None:
    body = json.dumps([event(sent.pk, "delivered")]).encode()
    headers = {**sendgrid_events.headers(body), "Authorization": "Bearer of-another-system"}

    assert post(body, headers).status_code == 204
