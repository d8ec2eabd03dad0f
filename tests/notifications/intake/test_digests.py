"""What "the same body" means: the digest in every form that stored rows may have."""

import hashlib
from typing import Any

import msgspec
import pytest
import structlog
from rest_framework.test import APIClient

from apps.notifications.dead_letters import resend
from apps.notifications.intake import digests
from apps.notifications.intake.requests import (
    Terms,
    broadcast_decoder,
    bulk_row_decoder,
    send_decoder,
)
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Batch, Notification
from apps.users.models import User
from tests.notifications.batches.story import broadcast, ndjson, taken, upload
from tests.notifications.cast import SHOP, assert_problem, body, standing

SEND = "/api/v1/notifications/"
BULK = "/api/v1/notifications/bulk"

FULL = (
    b'{"notification_type":"email","user_id":"01890a5d-ac96-774b-bcce-b302099a8057",'
    b'"template_code":"welcome","variables":{"name":"Ada","total":{"net":10,"gross":12.5},'
    b'"paid":true},"request_id":"order-42","priority":7,"metadata":{"order":42},'
    b'"scheduled_for":"2027-01-01T13:00:00+01:00","language":"de-AT"}'
)
SHORT = (
    b'{"notification_type":"email","user_id":"01890a5d-ac96-774b-bcce-b302099a8057",'
    b'"template_code":"welcome","variables":{"name":"Ada","link":"https://example.com"}}'
)
CAST = (
    b'{"notification_type":"push","template_code":"parcel","audience":{"category":"news"},'
    b'"variables":{"name":"Ada"},"request_id":"cast-1","expires_at":"2027-01-01T13:00:00+01:00"}'
)
FULL_SEND, SHORT_SEND = send_decoder.decode(FULL), send_decoder.decode(SHORT)
SHORT_ROW, A_CAST = bulk_row_decoder.decode(SHORT), broadcast_decoder.decode(CAST)
BODIES: tuple[Terms, ...] = (FULL_SEND, SHORT_SEND, SHORT_ROW, A_CAST)

# Computed by the code of commit e15ccf6: full, short, short as a row of a bulk call, broadcast.
FIRST = (
    "08af9a0e6b755c0b607d232d401b9b1cc3e26b005dc928c718f86d933da1de54",
    "ab30633e54b47090088e39a0e34e6aacd4e4778ba15f5bab91c5d351a898d0f0",
    "dec9aea2a275dd8ea88b844442890809877fb22fed3cce46e9f4b66ef965b514",
    "7cb13c04371c7cdf1c1bca936dba95ff3ae4b4c7b96bfa654da1f26a5a2267fa",
)
# Computed by the code of commit 06cbf96.
SECOND = (
    "79aabcf62e654981c2da12ab3a976bad2817893649495902413a4415abdcac76",
    "1db10847d15b8d29f489f35feb2496f2713ff1739156760fcc1052954e1313c3",
    "165d91d978c125c3f904444d39189fe4eff5e699b5cfdebae23fc25830db3a69",
    "856e207bc8d8a73583791ddd6669428f751a94ee0fb68df46c7efa106b08c9e9",
)
# Of the present form. Stored rows contain it: do not change these digests, add a new form.
THIRD = (
    "6e47cf3dac8d001d11ee8aa06d2e23cbad4b3c676a2078d5116f60938cb1b05a",
    "6536183d3e41636aeb716cf9811422b65daca421db36a5b72ec7a5423419f049",
    "a8e9c8e55963060a24564463b5712554071e24c841d4a2fb2c54662154594369",
    "3dade0d27c78970ebe2976e1e9eba679d2e5761cd75fef9fa5bb81bcb6b2136b",
)


def hexes(form: Any) -> tuple[str, ...]:
    return tuple(form(one).hex() for one in BODIES)


def test_the_digests_of_every_form_never_change() -> None:
    assert hexes(digests.first_form) == FIRST
    assert hexes(digests.second_form) == SECOND
    assert hexes(digests.body_digest) == THIRD
    assert digests.PRESENT_FORM == 3


def test_the_present_form_is_the_documented_one() -> None:
    """SHA-256 over sorted JSON, without defaults and the key: any reader can compute it."""
    text = (
        b'{"language":"de-AT","metadata":{"order":42},"notification_type":"email","priority":7,'
        b'"scheduled_for":"2027-01-01T12:00:00Z","template_code":"welcome",'
        b'"user_id":"01890a5d-ac96-774b-bcce-b302099a8057",'
        b'"variables":{"name":"Ada","paid":true,"total":{"gross":12.5,"net":10}}}'
    )
    assert digests.body_digest(FULL_SEND) == hashlib.sha256(text).digest()


class Shuffled(Terms, kw_only=True, forbid_unknown_fields=True):
    """The request as it would be with the fields of its class in another order."""

    language: str | None = None
    user_id: str
    variables: dict[str, Any] = {}
    notification_type: str  # type: ignore[assignment]  # Only its position matters.
    # Fields that a later release adds.
    reply_to: str | None = None
    tags: list[str] = []


def shuffled(raw: bytes, **changes: Any) -> Shuffled:
    return msgspec.structs.replace(msgspec.json.decode(raw, type=Shuffled), **changes)


@pytest.mark.parametrize("form", [digests.body_digest, digests.second_form, digests.first_form])
def test_neither_the_order_of_the_class_nor_a_field_added_later_changes_a_digest(form: Any) -> None:
    assert form(shuffled(FULL)) == form(FULL_SEND)
    assert form(shuffled(SHORT)) == form(SHORT_SEND)
    # A value in a new field makes another body, in every form.
    assert form(shuffled(SHORT, reply_to="a@example.com")) != form(SHORT_SEND)
    assert form(shuffled(SHORT, tags=["x"])) != form(SHORT_SEND)


def digest_of(variables: str, **changes: Any) -> bytes:
    raw = SHORT.replace(b'{"name":"Ada","link":"https://example.com"}', variables.encode())
    assert raw != SHORT
    return digests.body_digest(msgspec.structs.replace(send_decoder.decode(raw), **changes))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"n": 1}', '{"n": 1.0}'),
        ('{"n": 100}', '{"n": 1e2}'),
        ('{"n": 0}', '{"n": -0.0}'),
        ('{"n": 0}', '{"n": -0}'),
        ('{"n": [1, {"m": 2}]}', '{"n": [1.0, {"m": 2.0}]}'),
        ('{"n": 9007199254740992}', '{"n": 9007199254740992.0}'),
        ('{"n": 1000000000000000000000}', '{"n": 1e21}'),
        ('{"n": 0.1}', '{"n": 1e-1}'),
        ('{"a": 1, "b": {"c": 2, "d": 3}}', '{"b": {"d": 3, "c": 2}, "a": 1}'),
        ('{"n": "\\u00e9"}', '{"n": "é"}'),
        ('{"n": "a/b"}', '{"n": "a\\/b"}'),
    ],
)
def test_equal_values_in_different_spellings_are_the_same_body(one: str, other: str) -> None:
    assert digest_of(one) == digest_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"n": 1}', '{"n": true}'),
        ('{"n": 0}', '{"n": false}'),
        ('{"n": 1}', '{"n": "1"}'),
        ('{"n": 0}', '{"n": null}'),
        ('{"n": null}', "{}"),
        ('{"n": {}}', '{"n": []}'),
        ('{"n": [1, 2]}', '{"n": [2, 1]}'),
        ('{"n": 1}', '{"n": 1.0000000000000002}'),
        ('{"n": 9007199254740993}', '{"n": 9007199254740992}'),
        ('{"n": 100000000000000000000001}', '{"n": 100000000000000000000002}'),
        # Two Unicode forms that look the same; a template would print either of them.
        ('{"n": "\\u00e9"}', '{"n": "e\\u0301"}'),
        ('{"n": "a"}', '{"N": "a"}'),
        ('{"n": "a"}', '{"n": "a "}'),
    ],
)
def test_different_values_are_different_bodies(one: str, other: str) -> None:
    assert digest_of(one) != digest_of(other)


def test_a_default_changes_the_digest_only_where_its_meaning_differs() -> None:
    assert digest_of("{}", priority=5) == digest_of("{}")
    # The default priority of a row is 1, of a single request 5: the same JSON differs in meaning.
    assert digests.body_digest(SHORT_ROW) != digests.body_digest(SHORT_SEND)
    as_row = msgspec.structs.replace(SHORT_SEND, priority=1)
    assert digests.body_digest(SHORT_ROW) == digests.body_digest(as_row)


@pytest.mark.parametrize("form", [digests.first_form, digests.second_form])
@pytest.mark.django_db
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
@pytest.mark.django_db
def test_a_broadcast_of_an_earlier_release_recognises_its_repeated_request(
    shop: APIClient, alice: User, form: Any
) -> None:
    sent = {"request_id": "news", "scheduled_for": "2027-01-01T13:00:00+01:00"}
    first = taken(broadcast(shop, {"all": True}, **sent))
    asked = broadcast_decoder.decode(
        b'{"notification_type":"email","template_code":"welcome","audience":{"all":true},'
        b'"variables":{"name":"Ada","link":"https://example.com/a"},'
        b'"scheduled_for":"2027-01-01T13:00:00+01:00"}'
    )
    Batch.objects.update(body_digest=form(asked), canonical_digest=None, digest_form=None)
    assert taken(broadcast(shop, {"all": True}, **sent)) == first
    assert_problem(broadcast(shop, {"all": True}, request_id="news"), 422)


@pytest.mark.django_db
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


@pytest.mark.django_db
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


@pytest.mark.django_db
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


@pytest.mark.django_db
def test_a_broadcast_may_be_repeated_in_another_spelling(shop: APIClient, alice: User) -> None:
    utc = {"request_id": "news", "scheduled_for": "2027-01-01T12:00:00Z", "metadata": {"n": 1}}
    first = taken(broadcast(shop, {"all": True}, **utc))
    berlin = {**utc, "scheduled_for": "2027-01-01T13:00:00+01:00", "metadata": {"n": 1.0}}
    again = broadcast(shop, {"all": True}, **berlin, priority=1, language=None)
    assert taken(again) == first
    assert again["Idempotency-Replayed"] == "true"
    assert_problem(broadcast(shop, {"all": True}, **berlin, priority=5), 422)
    assert Batch.objects.count() == 1


@pytest.mark.django_db
def test_a_broadcast_with_an_impossible_date_is_a_400(shop: APIClient, alice: User) -> None:
    never = {"request_id": "news", "expires_at": "9999-12-31T23:59:59-23:00"}
    assert_problem(broadcast(shop, {"all": True}, **never), 400)
    assert Batch.objects.count() == 0


def bulk(caller: APIClient, text: str) -> Any:
    return caller.generic(
        "POST", BULK, text, content_type="application/json", HTTP_IDEMPOTENCY_KEY="call-1"
    )


ROW = '{"notification_type": "email", "user_id": "%s", "template_code": "welcome", "variables": %s}'


@pytest.mark.django_db
def test_a_bulk_call_may_be_repeated_in_another_spelling(shop: APIClient, alice: User) -> None:
    bad, late = '{"bad": 1, "worse": [2]}', '"expires_at": "9999-12-31T23:59:59-23:00"'
    good = ROW % (alice.pk, '{"name": "Ada", "link": "x"}')
    never = f"{good[:-1]}, {late}}}"
    first = bulk(shop, f'{{"notifications": [{good}, {bad}, {never}, 7]}}')
    assert (first.json()["accepted"], first.json()["rejected"]) == (1, 3)
    other_words = (
        f'{{"priority":1,"variables":{{"link":"x","name":"Ada"}},"template_code":"welcome",'
        f'"user_id":"{str(alice.pk).upper()}","notification_type":"email"}}'
    )
    again = bulk(
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
        assert_problem(bulk(shop, f'{{"notifications": [{rows}]}}'), 422)
    assert (Notification.objects.count(), Batch.objects.count()) == (1, 1)


@pytest.mark.django_db
def test_a_bulk_call_of_an_earlier_release_is_recognised_by_its_bytes(
    shop: APIClient, alice: User
) -> None:
    text = f'{{"notifications": [{ROW % (alice.pk, "{}")}, {{"bad": 1}}]}}'
    first = bulk(shop, text).json()
    Batch.objects.update(canonical_digest=None, digest_form=None)
    assert bulk(shop, text).json() == first
    assert_problem(bulk(shop, text.replace('"bad": 1', '"bad":1')), 422)


@pytest.mark.django_db
def test_a_bulk_call_of_the_same_bytes_is_a_repeat_even_if_validation_changed(
    shop: APIClient, alice: User
) -> None:
    text = f'{{"notifications": [{ROW % (alice.pk, "{}")}]}}'
    first = bulk(shop, text).json()
    # As a release would have stored it that validated a row differently.
    Batch.objects.update(canonical_digest=b"?" * 32)
    assert bulk(shop, text).json() == first


@pytest.mark.django_db
def test_one_key_for_two_kinds_of_batches_is_a_422(shop: APIClient, alice: User) -> None:
    row = body(alice)
    taken(upload(shop, ndjson(row), HTTP_IDEMPOTENCY_KEY="call-1"))
    assert_problem(bulk(shop, msgspec.json.encode({"notifications": [row]}).decode()), 422)
    assert_problem(broadcast(shop, {"all": True}, request_id="call-1"), 422)
    taken(broadcast(shop, {"all": True}, request_id="call-2"))
    again = upload(shop, ndjson(row), HTTP_IDEMPOTENCY_KEY="call-2")
    assert_problem(again, 422)
    assert Batch.objects.count() == 2


@pytest.mark.django_db
def test_no_request_counts_as_a_repeat_of_a_replay(shop: APIClient, alice: User) -> None:
    for key in (None, "again"):
        original = standing(alice, Status.BOUNCED)
        row = resend.replay(original, caller=SHOP, key=key).notification
        row.refresh_from_db()
        kept = (bytes(row.canonical_digest or b""), row.digest_form)
        same = (bytes(original.canonical_digest or b""), digests.PRESENT_FORM)
        assert kept == (same if key is None else (b"", None))
    send = shop.post(SEND, body(alice, request_id="again"), format="json")
    assert_problem(send, 422)
