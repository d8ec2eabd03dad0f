"""Invalid requests are refused with an error that names the place, and nothing is stored."""

import json
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from apps.notifications.models import Batch, Notification
from apps.users.models import User
from tests.notifications.factories import body
from tests.notifications.problems import assert_problem, pointers

pytestmark = pytest.mark.usefixtures("nothing_stored")

SEND = "/api/v1/notifications/"
BULK = "/api/v1/notifications/bulk"


def send_raw(shop: APIClient, raw: bytes, path: str = SEND, **headers: Any) -> Any:
    return shop.generic("POST", path, raw, content_type="application/json", **headers)  # type: ignore[arg-type] # The client takes bytes as well.


def spliced(user: User, variables: str) -> bytes:
    """Write a request body whose ``variables`` are this raw JSON text, valid or not."""
    marked = json.dumps(body(user, variables="HERE"))
    return marked.replace('"HERE"', variables).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"{",
        b"{]",
        b'{"user_id": }',
        b"nonsense",
        b'{"a": 1} x',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b"{'a': 1}",
        b'{"a": 01}',
        b'{"a": "\xff\xfe"}',
        b'{"a": "\xc3\x28"}',
        b"\xef\xbb\xbf{}",
        b"\x00",
    ],
)
@pytest.mark.parametrize("path", [SEND, BULK])
def test_malformed_json_is_a_400(shop: APIClient, raw: bytes, path: str) -> None:
    assert_problem(send_raw(shop, raw, path), 400)


@pytest.mark.parametrize("raw", [b"[]", b"null", b"1", b'"text"', b"true", b"[{}]"])
@pytest.mark.parametrize("path", [SEND, BULK])
def test_a_body_that_is_not_an_object_is_a_400(shop: APIClient, raw: bytes, path: str) -> None:
    assert_problem(send_raw(shop, raw, path), 400)


WRONG: dict[str, list[Any]] = {
    "notification_type": [None, 1, True, "", "sms", "EMAIL", [], {}],
    "user_id": [None, 1, "", "nobody", "00000000", [], {}, True],
    "template_code": [None, 1, "", [], {}, "x" * 101],
    "variables": [None, 1, "", "x", [], [["name", "Ada"]], True],
    "request_id": [1, "", [], {}, True, "x" * 256],
    "priority": [None, "5", 5.5, -1, 10, True, [], {}, 10**30],
    "metadata": [None, 1, "", [], True],
    "scheduled_for": [
        1,
        "",
        "tomorrow",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2027-01-01T25:00:00Z",
        "2027-01-01",
        "2027-01-01T00:00:00",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-23:00",
        "9999-12-31T23:59:59Z",
        [],
        True,
    ],
    "expires_at": [1, "", "soon", "2027-01-01T00:00:00", "0001-01-01T00:00:00+23:00", [], False],
    "language": [1, "", "english!", "x", "en_US", "en\n", [], {}, "en-" + "x" * 40, True],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in WRONG.items() for value in values]
)
def test_a_wrong_value_is_named_by_its_pointer(
    shop: APIClient, alice: User, field: str, value: Any
) -> None:
    answer = shop.post(SEND, body(alice, **{field: value}), format="json")
    problem = assert_problem(answer, 400)
    assert problem["code"] == "invalid"
    assert pointers(answer) == [f"/{field}"]


@pytest.mark.parametrize("field", ["notification_type", "user_id", "template_code"])
def test_a_missing_field_is_named(shop: APIClient, alice: User, field: str) -> None:
    asked = body(alice)
    del asked[field]
    answer = shop.post(SEND, asked, format="json")
    assert_problem(answer, 400)
    assert answer.json()["errors"][0]["pointer"] == f"/{field}"
    assert answer.json()["errors"][0]["code"] == "required"


@pytest.mark.parametrize("field", ["id", "status", "kind", "client", "nonsense", "a/b~c", ""])
def test_an_unknown_field_is_named(shop: APIClient, alice: User, field: str) -> None:
    answer = shop.post(SEND, body(alice, **{field: 1}), format="json")
    assert_problem(answer, 400)
    (error,) = answer.json()["errors"]
    assert error["code"] == "unknown_field"
    assert error["pointer"] == "/" + field.replace("~", "~0").replace("/", "~1")


def test_an_unknown_user_is_a_422(shop: APIClient) -> None:
    answer = shop.post(SEND, body(uuid4()), format="json")
    assert assert_problem(answer, 422)["code"] == "unknown_user"
    assert pointers(answer) == ["/user_id"]


def test_an_unknown_template_is_a_422(shop: APIClient, alice: User) -> None:
    answer = shop.post(SEND, body(alice, template_code="nowhere"), format="json")
    assert assert_problem(answer, 422)["code"] == "unknown_template"
    assert pointers(answer) == ["/template_code"]


def test_a_notification_type_other_than_that_of_the_template_is_a_422(
    shop: APIClient, alice: User
) -> None:
    answer = shop.post(SEND, body(alice, notification_type="push"), format="json")
    assert assert_problem(answer, 422)["code"] == "type_mismatch"
    assert pointers(answer) == ["/notification_type"]


def test_missing_variables_are_a_422_that_names_each(shop: APIClient, alice: User) -> None:
    answer = shop.post(SEND, body(alice, variables={}), format="json")
    assert_problem(answer, 422)
    assert pointers(answer) == ["/variables/link", "/variables/name"]


@pytest.mark.parametrize(
    "times",
    [
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": "2027-01-01T00:00:00Z", "scheduled_for": "2027-01-02T00:00:00Z"},
        {"expires_at": "2027-01-01T00:00:00Z", "scheduled_for": "2027-01-01T01:00:00+01:00"},
    ],
)
def test_an_impossible_deadline_is_a_422(
    shop: APIClient, alice: User, times: dict[str, str]
) -> None:
    answer = shop.post(SEND, body(alice, **times), format="json")
    assert_problem(answer, 422)
    assert pointers(answer) == ["/expires_at"]


def test_a_language_without_a_template_falls_back_without_an_error(
    shop: APIClient, alice: User
) -> None:
    answer = shop.post(SEND, body(alice, language="xx"), format="json")
    assert answer.status_code == 202
    Notification.objects.all().delete()


def test_a_body_of_a_megabyte_is_a_413(shop: APIClient, alice: User) -> None:
    answer = shop.post(SEND, body(alice, metadata={"x": "y" * 1_000_000}), format="json")
    assert assert_problem(answer, 413)["code"] == "body_too_large"


def test_a_body_of_exactly_256_kibibytes_is_read(shop: APIClient, alice: User) -> None:
    raw = json.dumps(body(alice, metadata={"x": ""})).encode()
    room = 256 * 1024 - len(raw)
    whole = raw.replace(b'"x": ""', b'"x": "' + b"y" * room + b'"')
    assert len(whole) == 256 * 1024
    assert_problem(send_raw(shop, whole + b" "), 413)
    assert send_raw(shop, whole).status_code == 202
    Notification.objects.all().delete()


def test_a_body_without_a_length_counts_as_empty(shop: APIClient, alice: User) -> None:
    raw = json.dumps(body(alice)).encode()
    assert assert_problem(send_raw(shop, raw, CONTENT_LENGTH=""), 400)["code"] == "malformed_json"


@pytest.mark.parametrize("levels", [33, 100, 10_000])
def test_deep_nesting_is_a_400(shop: APIClient, alice: User, levels: int) -> None:
    deep = '{"a":' * levels + "1" + "}" * levels
    answer = send_raw(shop, spliced(alice, deep))
    assert assert_problem(answer, 400)["code"] == "too_deep"
    lists = '{"a":' + "[" * levels + "]" * levels + "}"
    assert assert_problem(send_raw(shop, spliced(alice, lists)), 400)["code"] == "too_deep"


def test_brackets_within_a_string_do_not_count_as_nesting(shop: APIClient, alice: User) -> None:
    asked = body(alice, metadata={"x": "[{" * 200 + '\\"'})
    assert shop.post(SEND, asked, format="json").status_code == 202
    Notification.objects.all().delete()


CONTROL = ["\\u0000", "\\u0007", "\\u001b", "\\u007f", "\\b", "\\f"]


@pytest.mark.parametrize("escaped", CONTROL)
def test_a_control_character_is_refused_and_its_place_is_named(
    shop: APIClient, alice: User, escaped: str
) -> None:
    text = f'{{"name": "Ada{escaped}", "link": "x"}}'
    answer = send_raw(shop, spliced(alice, text))
    assert_problem(answer, 400)
    assert pointers(answer) == ["/variables/name"]


def test_a_control_character_in_a_key_is_refused(shop: APIClient, alice: User) -> None:
    answer = send_raw(shop, spliced(alice, '{"na\\u0000me": "Ada"}'))
    assert_problem(answer, 400)


def test_a_raw_control_character_is_malformed_json(shop: APIClient, alice: User) -> None:
    assert_problem(send_raw(shop, spliced(alice, '{"name": "A\x01da"}')), 400)


UNSTORABLE = [
    '{"name": "\\ud800", "link": "x"}',
    '{"name": "\\udfff\\ud800", "link": "x"}',
    '{"name": "\ud800", "link": "x"}',
    '{"\\ud800": 1, "name": "x", "link": "x"}',
    '{"name": 1e999, "link": "x"}',
    '{"name": -1e999, "link": "x"}',
    '{"name": NaN, "link": "x"}',
    f'{{"name": {"9" * 5000}, "link": "x"}}',
    f'{{"name": -{"9" * 5000}, "link": "x"}}',
    '{"name": "\\u0007\\ud800", "link": "x"}',
    '{"name": "\\u0007\ud800", "link": "x"}',
    '{"name": "\\u0007", "link": 1e999}',
]


@pytest.mark.parametrize("variables", UNSTORABLE)
def test_text_that_cannot_be_stored_is_a_400(shop: APIClient, alice: User, variables: str) -> None:
    assert_problem(send_raw(shop, spliced(alice, variables)), 400)


@pytest.mark.parametrize("variables", UNSTORABLE)
def test_text_that_cannot_be_stored_in_a_bulk_row_causes_no_server_error(
    shop: APIClient, alice: User, variables: str
) -> None:
    raw = b'{"notifications": [' + spliced(alice, variables) + b"]}"
    answer = send_raw(shop, raw, BULK)
    if answer.status_code == 202:
        assert answer.json()["rejected"] == 1
        assert answer.json()["results"][0]["errors"]
        Batch.objects.all().delete()
    else:
        assert_problem(answer, 400)


BIG = [2**63, 2**64 - 1, 2**64, -(2**63) - 1, 10**40, 10**300]


@pytest.mark.parametrize("number", BIG)
@pytest.mark.parametrize("path", [SEND, BULK])
def test_a_number_beyond_64_bits_is_refused_or_stored_exactly(
    shop: APIClient, alice: User, number: int, path: str
) -> None:
    asked = body(alice, metadata={"number": number})
    sent = {"notifications": [asked]} if path == BULK else asked
    answer = shop.post(path, sent, format="json")
    assert answer.status_code in {202, 400}
    row = Notification.objects.first()
    if row is not None:
        assert row.metadata == {"number": number}
        shown = shop.get(f"{SEND}{row.pk}")
        assert shown.status_code == 200
        assert json.loads(shown.content)["metadata"] == {"number": number}
    Notification.objects.all().delete()


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "multipart/form-data; boundary=x", ""]
)
@pytest.mark.parametrize("path", [SEND, BULK])
def test_another_content_type_is_a_415(
    shop: APIClient, alice: User, path: str, content_type: str
) -> None:
    raw = json.dumps(body(alice))
    answer = shop.generic("POST", path, raw, content_type=content_type)
    assert_problem(answer, 415)


def test_a_charset_parameter_does_not_change_the_content_type(shop: APIClient, alice: User) -> None:
    raw = json.dumps(body(alice))
    answer = shop.generic("POST", SEND, raw, content_type="application/json; charset=utf-8")
    assert answer.status_code == 202
    Notification.objects.all().delete()


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there", "\x7f"])
def test_a_bad_idempotency_key_is_a_400(shop: APIClient, alice: User, key: str) -> None:
    answer = shop.post(SEND, body(alice), format="json", HTTP_IDEMPOTENCY_KEY=key)
    assert_problem(answer, 400)
    assert pointers(answer) == ["/request_id"]


def test_two_different_idempotency_keys_are_a_400(shop: APIClient, alice: User) -> None:
    asked = body(alice, request_id="one")
    answer = shop.post(SEND, asked, format="json", HTTP_IDEMPOTENCY_KEY="two")
    assert_problem(answer, 400)
    assert pointers(answer) == ["/request_id"]
