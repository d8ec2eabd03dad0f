"""What "the same body" means: the digest in every form that stored rows may have."""

import hashlib
from typing import Any

import msgspec
import pytest

from apps.notifications.intake import digests
from apps.notifications.intake.requests import (
    Terms,
    broadcast_decoder,
    bulk_row_decoder,
    send_decoder,
)

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
