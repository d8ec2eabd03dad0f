"""A repeated body is recognised in any spelling and across releases; another body is refused."""

from typing import Any

import msgspec
import pytest
import structlog
from rest_framework.test import APIClient

from apps.notifications.dead_letters import resend
from apps.notifications.intake import digests
from apps.notifications.intake.requests import broadcast_decoder, send_decoder
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Batch, Notification
from apps.users.models import User
from tests.notifications.batches.batch_api import accepted_batch_id, broadcast, ndjson, upload
from tests.notifications.factories import SHOP, accepted, body
from tests.notifications.problems import assert_problem

pytestmark = pytest.mark.django_db

SEND = "/api/v1/notifications/"
BULK = "/api/v1/notifications/bulk"


@pytest.mark.parametrize("form", [digests.first_form, digests.second_form])
def test_a_row_of_an_earlier_release_recognises_its_repeated_request(
    shop: APIClient, alice: User, form: Any
) -> None:
    asked = body(alice, request_id="order-42", metadata={"order": 42}, priority=7)
    first = shop.post(SEND, asked, format="json").json()
    old = form(send_decoder.decode(msgspec.json.encode(asked)))
    Notification.objects.update(body_digest=old, canonical_digest=None, digest_form=None)

    again = shop.post(SEND, asked, format="json")
    assert (again.status_code, again.json()) == (202, first)
    assert again["Idempotency-Replayed"] == "true"
    other = shop.post(SEND, {**asked, "priority": 6}, format="json")
    assert assert_problem(other, 422)["code"] == "idempotency_key_reused"
    row = Notification.objects.get()
    # The stored row is not changed.
    assert (bytes(row.body_digest), row.canonical_digest, row.digest_form) == (old, None, None)


@pytest.mark.parametrize("form", [digests.first_form, digests.second_form])
def test_a_broadcast_of_an_earlier_release_recognises_its_repeated_request(
    shop: APIClient, alice: User, form: Any
) -> None:
    sent = {"request_id": "news", "scheduled_for": "2027-01-01T13:00:00+01:00"}
    first = accepted_batch_id(broadcast(shop, {"all": True}, **sent))
    asked = broadcast_decoder.decode(
        b'{"notification_type":"email","template_code":"welcome","audience":{"all":true},'
        b'"variables":{"name":"Ada","link":"https://example.com/a"},'
        b'"scheduled_for":"2027-01-01T13:00:00+01:00"}'
    )
    Batch.objects.update(body_digest=form(asked), canonical_digest=None, digest_form=None)
    assert accepted_batch_id(broadcast(shop, {"all": True}, **sent)) == first
    assert_problem(broadcast(shop, {"all": True}, request_id="news"), 422)


def test_a_row_of_this_release_is_recognised_by_the_previous_release(
    shop: APIClient, alice: User
) -> None:
    """The previous release compares ``body_digest`` with the second form only."""
    asked = body(alice, request_id="order-42")
    shop.post(SEND, asked, format="json")
    decoded = send_decoder.decode(msgspec.json.encode(asked))
    row = Notification.objects.get()
    assert bytes(row.body_digest) == digests.second_form(decoded)
    assert (bytes(row.canonical_digest or b""), row.digest_form) == (
        digests.body_digest(decoded),
        digests.PRESENT_FORM,
    )


def test_a_body_that_cannot_be_compared_counts_as_a_repeat_and_is_logged(
    shop: APIClient, alice: User
) -> None:
    asked = body(alice, request_id="order-42")
    first = shop.post(SEND, asked, format="json").json()
    Notification.objects.update(digest_form=digests.PRESENT_FORM + 1, canonical_digest=b"?" * 32)
    with structlog.testing.capture_logs() as logs:
        again = shop.post(SEND, {**asked, "priority": 9}, format="json")
    assert (again.status_code, again.json()) == (202, first)
    assert again["Idempotency-Replayed"] == "true"
    assert [line for line in logs if line["log_level"] == "warning"] == [
        {
            "event": "a body cannot be compared with the one before and is taken as its repeat",
            "row_id": first["id"],
            "digest_form": digests.PRESENT_FORM + 1,
            "log_level": "warning",
        }
    ]
    assert Notification.objects.count() == 1


def test_one_and_one_point_zero_are_the_same_request(shop: APIClient, alice: User) -> None:
    variables = {"name": "Ada", "link": "x", "count": 1}
    first = shop.post(SEND, body(alice, request_id="r", variables=variables), format="json")
    variables = {"count": 1.0, "link": "x", "name": "Ada"}
    again = shop.post(SEND, body(alice, request_id="r", variables=variables), format="json")
    assert again.json() == first.json()
    variables["count"] = True
    other = shop.post(SEND, body(alice, request_id="r", variables=variables), format="json")
    assert_problem(other, 422)
    assert Notification.objects.count() == 1


def test_a_broadcast_may_be_repeated_in_another_spelling(shop: APIClient, alice: User) -> None:
    utc = {"request_id": "news", "scheduled_for": "2027-01-01T12:00:00Z", "metadata": {"n": 1}}
    first = accepted_batch_id(broadcast(shop, {"all": True}, **utc))
    berlin = {**utc, "scheduled_for": "2027-01-01T13:00:00+01:00", "metadata": {"n": 1.0}}
    again = broadcast(shop, {"all": True}, **berlin, priority=1, language=None)
    assert accepted_batch_id(again) == first
    assert again["Idempotency-Replayed"] == "true"
    assert_problem(broadcast(shop, {"all": True}, **berlin, priority=5), 422)
    assert Batch.objects.count() == 1


def test_a_broadcast_with_an_impossible_date_is_a_400(shop: APIClient, alice: User) -> None:
    never = {"request_id": "news", "expires_at": "9999-12-31T23:59:59-23:00"}
    assert_problem(broadcast(shop, {"all": True}, **never), 400)
    assert Batch.objects.count() == 0


def post_bulk(caller: APIClient, text: str) -> Any:
    return caller.generic(
        "POST", BULK, text, content_type="application/json", HTTP_IDEMPOTENCY_KEY="call-1"
    )


ROW = '{"notification_type": "email", "user_id": "%s", "template_code": "welcome", "variables": %s}'


def test_a_bulk_call_may_be_repeated_in_another_spelling(shop: APIClient, alice: User) -> None:
    bad, late = '{"bad": 1, "worse": [2]}', '"expires_at": "9999-12-31T23:59:59-23:00"'
    good = ROW % (alice.pk, '{"name": "Ada", "link": "x"}')
    never = f"{good[:-1]}, {late}}}"
    first = post_bulk(shop, f'{{"notifications": [{good}, {bad}, {never}, 7]}}')
    assert (first.json()["accepted"], first.json()["rejected"]) == (1, 3)
    other_words = (
        f'{{"priority":1,"variables":{{"link":"x","name":"Ada"}},"template_code":"welcome",'
        f'"user_id":"{str(alice.pk).upper()}","notification_type":"email"}}'
    )
    again = post_bulk(
        shop, f'{{"notifications": [{other_words}, {{"worse":[2.0],"bad":1}}, {never}, 7.0]}}'
    )
    assert (again.status_code, again.json()) == (202, first.json())
    assert again["Idempotency-Replayed"] == "true"
    for rows in (
        f"{good}, {bad}, {never}",
        f"{good}, {bad}, {never}, 8",
        f"{bad}, {good}, {never}, 7",
        f"{good}, {bad}, {good}, 7",
        # The idempotency keys of the rows are part of the call.
        f'{good[:-1]}, "request_id": "r"}}, {bad}, {never}, 7',
    ):
        assert_problem(post_bulk(shop, f'{{"notifications": [{rows}]}}'), 422)
    assert (Notification.objects.count(), Batch.objects.count()) == (1, 1)


def test_a_bulk_call_of_an_earlier_release_is_recognised_by_its_bytes(
    shop: APIClient, alice: User
) -> None:
    text = f'{{"notifications": [{ROW % (alice.pk, "{}")}, {{"bad": 1}}]}}'
    first = post_bulk(shop, text).json()
    Batch.objects.update(canonical_digest=None, digest_form=None)
    assert post_bulk(shop, text).json() == first
    assert_problem(post_bulk(shop, text.replace('"bad": 1', '"bad":1')), 422)


def test_a_bulk_call_of_the_same_bytes_is_a_repeat_even_if_validation_changed(
    shop: APIClient, alice: User
) -> None:
    text = f'{{"notifications": [{ROW % (alice.pk, "{}")}]}}'
    first = post_bulk(shop, text).json()
    # As a release would have stored it that validated a row differently.
    Batch.objects.update(canonical_digest=b"?" * 32)
    assert post_bulk(shop, text).json() == first


def test_one_key_for_two_kinds_of_batches_is_a_422(shop: APIClient, alice: User) -> None:
    row = body(alice)
    accepted_batch_id(upload(shop, ndjson(row), HTTP_IDEMPOTENCY_KEY="call-1"))
    assert_problem(post_bulk(shop, msgspec.json.encode({"notifications": [row]}).decode()), 422)
    assert_problem(broadcast(shop, {"all": True}, request_id="call-1"), 422)
    accepted_batch_id(broadcast(shop, {"all": True}, request_id="call-2"))
    again = upload(shop, ndjson(row), HTTP_IDEMPOTENCY_KEY="call-2")
    assert_problem(again, 422)
    assert Batch.objects.count() == 2


def test_a_row_without_a_key_has_no_digest(alice: User) -> None:
    keyless, keyed = accepted(alice), accepted(alice, request_id="a")
    for row in (keyless, keyed):
        row.refresh_from_db()
    assert (bytes(keyless.body_digest), keyless.canonical_digest, keyless.digest_form) == (
        b"",
        None,
        None,
    )
    assert len(bytes(keyed.body_digest)) == len(bytes(keyed.canonical_digest or b"")) == 32


def test_no_request_counts_as_a_repeat_of_a_replay(shop: APIClient, alice: User) -> None:
    for key in (None, "again"):
        original = accepted(alice, request_id=f"original-{key}")
        Notification.objects.filter(pk=original.pk).update(status=Status.BOUNCED)
        original.refresh_from_db()
        row = resend.replay(original, caller=SHOP, key=key).notification
        row.refresh_from_db()
        kept = (bytes(row.canonical_digest or b""), row.digest_form)
        same = (bytes(original.canonical_digest or b""), digests.PRESENT_FORM)
        assert kept == (same if key is None else (b"", None))
    send = shop.post(SEND, body(alice, request_id="again"), format="json")
    assert_problem(send, 422)
