"""A NUL or a lone surrogate, which PostgreSQL cannot store, is refused in every input.

SQLite would store most of it, so these tests prove more in the run on the servers.
"""

import json
from typing import Any
from urllib.parse import quote

import pytest
from django.db import transaction
from django.test import Client
from django_otp.oath import totp
from rest_framework.test import APIClient

from apps.notifications.models import Batch
from apps.users import password_resets
from apps.users.models import User
from apps.users.staff import second_factor
from tests.notifications.batches.batch_api import (
    NDJSON,
    UPLOAD,
    accepted_batch_id,
    errors,
    make_all_slices,
    upload,
)
from tests.notifications.factories import body
from tests.notifications.problems import assert_problem, pointers
from tests.users.conftest import FAST_HASHERS

pytestmark = pytest.mark.django_db

NOTIFICATIONS = "/api/v1/notifications/"
KEY = "3132333435363738393031323334353637383930"
NUL, SURROGATE = "\\u0000", "\\ud800"


@pytest.mark.parametrize("character", ["\x00", "\x1f", "\x7f"])
@pytest.mark.parametrize("column", ["variables.na{}me", "metadata.{}", "{}"])
def test_unstorable_text_in_a_csv_column_name_is_refused(
    shop: APIClient, alice: User, column: str, character: str
) -> None:
    text = f"user_id,{column.format(character)}\n{alice.pk},x\n"
    answer = upload(shop, text, media_type="text/csv", query="?template_code=welcome")
    assert_problem(answer, 400)
    assert [error["code"] for error in answer.json()["errors"]] == ["control_character"]
    assert pointers(answer) == ["/header"]
    assert Batch.objects.count() == 0


def test_unstorable_text_in_a_csv_cell_is_reported_by_its_place(
    shop: APIClient, alice: User
) -> None:
    terms = "?notification_type=email&template_code=welcome"
    rows = ["{user},a\x00,b,", "{user},a,b,r\x00", "\x00,a,b,", "{user},a,b,"]
    text = "user_id,variables.name,variables.link,request_id\n" + "\n".join(rows)
    batch_id = accepted_batch_id(
        upload(shop, text.format(user=alice.pk), media_type="text/csv", query=terms)
    )
    make_all_slices()
    assert [error["index"] for error in errors(shop, batch_id)] == [0, 1, 2]


@pytest.mark.parametrize("escape", [NUL, SURROGATE])
def test_unstorable_text_in_an_ndjson_line_is_reported_by_its_place(
    shop: APIClient, alice: User, escape: str
) -> None:
    good = json.dumps(body(alice))
    lines = [
        json.dumps(body(alice, metadata={"PLACE": 1})).replace("PLACE", escape),
        json.dumps(body(alice, request_id="PLACE")).replace("PLACE", escape),
        good,
    ]
    batch_id = accepted_batch_id(upload(shop, "\n".join(lines), media_type=NDJSON))
    make_all_slices()
    assert [error["index"] for error in errors(shop, batch_id)] == [0, 1]
    assert Batch.objects.get().failures == 0


@pytest.mark.parametrize("escape", [NUL, SURROGATE, f"a{SURROGATE}{NUL}"])
@pytest.mark.parametrize(
    ("method", "path", "text"),
    [
        ("POST", NOTIFICATIONS, '{"user_id": "{user}", "metadata": {"PLACE": 1}}'),
        ("POST", NOTIFICATIONS, '{"user_id": "{user}", "variables": {"PLACE": 1}}'),
        ("POST", NOTIFICATIONS, '{"user_id": "{user}", "request_id": "PLACE"}'),
        ("POST", NOTIFICATIONS, '{"PLACE": 1}'),
        ("POST", f"{NOTIFICATIONS}broadcast", '{"variables": {"PLACE": 1}}'),
        ("POST", "/api/v1/users/", '{"name": "PLACE", "email": "new@example.com"}'),
        ("POST", "/api/v1/users/login", '{"email": "PLACE", "password": "x"}'),
        ("POST", "/api/v1/users/login", '{"email": "a@b.c", "password": "PLACE"}'),
        ("PATCH", "/api/v1/users/{user}/preferences", '{"categories": {"PLACE": null}}'),
        ("POST", "/api/v1/users/{user}/devices/", '{"push_token": "PLACE"}'),
        ("POST", "/api/v1/templates/welcome/preview", '{"variables": {"PLACE": "x"}}'),
        ("POST", "/api/v1/dead-letters/replay", '{"note": "PLACE"}'),
    ],
)
def test_a_body_with_unstorable_text_is_refused(
    shop: APIClient,
    alice: User,
    nothing_stored: None,
    method: str,
    path: str,
    text: str,
    escape: str,
) -> None:
    raw = text.replace("{user}", str(alice.pk)).replace("PLACE", escape)
    path = path.replace("{user}", str(alice.pk))
    assert_problem(shop.generic(method, path, raw, content_type="application/json"), 400)
    assert User.objects.count() == 1


@pytest.mark.parametrize("text", ["\x00", "\ud800"])
@pytest.mark.parametrize(
    "path",
    [
        f"{NOTIFICATIONS}?request_id=PLACE",
        f"{NOTIFICATIONS}?correlation_id=aPLACE",
        f"{NOTIFICATIONS}?cursor=PLACE",
        "/api/v1/users/?external_id=PLACE",
        "/api/v1/templates/?category=PLACE",
        "/api/v1/templates/aPLACE",
        "/api/v1/dead-letters/?reason=PLACE",
        "/unsubscribe/PLACE",
        "/sandbox/enter/{user}/PLACE",
        "/admin/users/user/?q=PLACE",
        "/sandbox/?recipient=PLACE",
    ],
)
def test_a_url_with_unstorable_text_causes_no_internal_error(
    shop: APIClient, alice: User, charlie: User, path: str, text: str
) -> None:
    written = quote(text.encode("utf-8", "surrogatepass"))
    path = path.replace("PLACE", written).replace("{user}", str(alice.pk))
    browser = Client(raise_request_exception=False)
    browser.force_login(charlie)
    for caller in (shop, browser):
        status = caller.get(path).status_code
        assert status == 400 if text == "\x00" else status < 500, status


@pytest.mark.parametrize(
    "text", ["a\x00b", "a\ud800".encode("utf-8", "surrogatepass").decode("latin-1")]
)
@pytest.mark.parametrize(
    "header",
    ["X-Correlation-ID", "X-Request-ID", "traceparent", "Idempotency-Key", "X-API-Key", "Cookie"],
)
def test_a_header_with_unstorable_text_is_refused_or_replaced(
    shop: APIClient, alice: User, header: str, text: str
) -> None:
    name = f"HTTP_{header.upper().replace('-', '_')}"
    headers: dict[str, Any] = {name: text}
    answer = shop.post(NOTIFICATIONS, body(alice), format="json", **headers)
    expected = {"Idempotency-Key": 400, "X-API-Key": 401}.get(header, 202)
    assert answer.status_code == expected
    assert answer["X-Correlation-ID"].isascii()
    assert answer["X-Correlation-ID"].isprintable()


def parts(*fields: tuple[bytes, bytes]) -> Any:
    """Write a multipart body; a field whose name ends with ``.csv"`` is a file."""
    whole = b"".join(
        b'--B\r\nContent-Disposition: form-data; name="' + name + b"\r\n\r\n" + value + b"\r\n"
        for name, value in fields
    )
    return whole + b"--B--\r\n"


def test_unstorable_text_in_form_fields_is_refused(shop: APIClient, alice: User) -> None:
    text = f"user_id,variables.name,variables.link\n{alice.pk},A,B\n".encode()
    file = (b'file"; filename="a.csv"', text)
    terms = "?notification_type=email"

    def status(*fields: tuple[bytes, bytes]) -> int:
        raw = parts(*fields)
        content_type = "multipart/form-data; boundary=B"
        return int(shop.generic("POST", UPLOAD + terms, raw, content_type=content_type).status_code)

    for wrong in (
        (b'language"', b"d\x00"),
        (b'lang\x00"', b"de"),
        (b'priority"', b"\x00"),
    ):
        assert status((b'template_code"', b"welcome"), wrong, file) == 400, wrong
    assert Batch.objects.count() == 0
    # The file name is not stored.
    named = (b'file"; filename="a\x00b.csv"', text)
    assert status((b'template_code"', b"welcome"), named) == 202


@pytest.mark.parametrize("code", ["abcdefg\x00", "\x00", "12345\x00", "abcdefg\ud800", "a'bcdefg"])
def test_a_second_factor_code_with_unstorable_text_is_a_wrong_code(
    charlie: User, code: str
) -> None:
    with transaction.atomic():
        second_factor.enrol(charlie, key=KEY, code=f"{totp(bytes.fromhex(KEY)):06d}")
    browser = Client(raise_request_exception=False)
    browser.force_login(charlie)
    raw: Any = f"code={quote(code.encode('utf-8', 'surrogatepass'))}"
    page = browser.generic(
        "POST", "/account/second-factor", raw, content_type="application/x-www-form-urlencoded"
    )
    assert page.status_code == 200
    assert "not valid" in page.content.decode()


@pytest.mark.parametrize("character", ["\x00", "\x1f"])
def test_a_password_that_the_login_would_refuse_cannot_be_set(
    alice: User, settings: Any, character: str
) -> None:
    settings.PASSWORD_HASHERS = FAST_HASHERS
    form = {
        "token": password_resets.make_token(alice),
        "password": f"a long passphrase{character}",
    }
    page = Client(HTTP_ACCEPT="text/html").post("/account/reset-password", form)
    assert page.status_code == 400
    assert "Control characters" in page.content.decode()
    assert not User.objects.get(pk=alice.pk).has_usable_password()
