"""Files as spreadsheets and people write them: encodings, headers, empty rows, types of columns."""

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from apps.notifications.models import Batch, BatchSlice, Notification
from apps.users.models import User
from tests.notifications.batches.batch_api import (
    UPLOAD,
    accepted_batch_id,
    errors,
    make_all_slices,
    upload,
)
from tests.notifications.problems import pointers

pytestmark = pytest.mark.django_db
CSV = "text/csv"
MAIL = "?notification_type=email&template_code=welcome"


def made(shop: APIClient, raw: str | bytes, *, media_type: str = CSV) -> list[dict[str, Any]]:
    """Upload a file of mails and return the variables of its notifications, in their order."""
    accepted_batch_id(upload(shop, raw, media_type=media_type, query=MAIL))
    make_all_slices()
    return list(
        Notification.objects.order_by("variables__link").values_list("variables", flat=True)
    )


def refused(shop: APIClient, raw: str | bytes, *, media_type: str = CSV) -> dict[str, Any]:
    """Upload a file that is refused, and return its error; nothing may be stored."""
    answer = upload(shop, raw, media_type=media_type, query=MAIL)
    assert answer.status_code == 400, answer.content
    assert (Batch.objects.count(), BatchSlice.objects.count()) == (0, 0)
    (error,) = answer.json()["errors"]
    return dict(error)


@pytest.mark.parametrize(
    ("encoding", "media_type"),
    [
        ("cp1252", "text/csv; charset=windows-1252"),
        ("cp1252", "text/csv; charset=cp1252"),
        ("latin-1", "text/csv; charset=ISO-8859-1"),
        ("utf-16", "text/csv"),
        ("utf-16", "text/csv; charset=utf-8"),
        ("utf-16-be", "text/csv; charset=UTF-16BE"),
        ("utf-8-sig", "text/csv"),
        ("utf-8", "text/csv; charset=UTF-8"),
        ("utf-8-sig", "text/csv; charset=utf8"),
        ("utf-8-sig", "text/csv; charset=windows-1252"),
    ],
)
def test_a_named_encoding_and_a_byte_order_mark_are_followed(
    shop: APIClient, alice: User, encoding: str, media_type: str
) -> None:
    text = f"user_id,variables.name,variables.link\r\n{alice.pk},Zoë Müller,x\r\n" * 1
    assert made(shop, text.encode(encoding), media_type=media_type) == [
        {"name": "Zoë Müller", "link": "x"}
    ]


def test_the_unicode_text_of_excel_has_tabs(shop: APIClient, alice: User) -> None:
    text = f"user_id\tvariables.name\tvariables.link\r\n{alice.pk}\tZoë, M.\tx\r\n"
    assert made(shop, text.encode("utf-16")) == [{"name": "Zoë, M.", "link": "x"}]


def test_the_form_of_a_file_may_name_its_encoding(shop: APIClient, alice: User) -> None:
    text = f"user_id,variables.name,variables.link\n{alice.pk},Zoë,x\n"
    file = SimpleUploadedFile(
        "people.csv", text.encode("cp1252"), content_type="text/csv; charset=windows-1252"
    )
    fields = {"file": file, "notification_type": "email", "template_code": "welcome"}
    accepted_batch_id(shop.post(UPLOAD, fields, format="multipart"))
    make_all_slices()
    assert Notification.objects.get().variables["name"] == "Zoë"


def test_a_character_over_two_blocks_is_decoded(shop: APIClient, alice: User) -> None:
    rows = "".join(f"{alice.pk},é{'x' * 200},y\n" for _ in range(700))
    text = f"user_id,variables.name,variables.link\n{rows}"
    answer = upload(shop, text.encode("utf-16"), media_type=CSV, query=MAIL)
    assert answer.json()["total"] == 700


@pytest.mark.parametrize(
    ("raw", "media_type", "pointer", "words"),
    [
        ("user_id\nZoë".encode("cp1252"), CSV, "/lines/2", "save as 'CSV UTF-8'"),
        (b"user_id\nx", "text/csv; charset=klingon", "", "no charset 'klingon'"),
        (b"user_id\nx", "text/csv; charset=unicode_escape", "", "no charset"),
        (b"user_id\n\x81", "text/csv; charset=windows-1252", "", "The file is not cp1252"),
        (b"\xff\xfeu", CSV, "", "The file is not utf-16"),
    ],
)
def test_a_file_in_another_encoding_is_refused_with_what_to_do(
    shop: APIClient, alice: User, raw: bytes, media_type: str, pointer: str, words: str
) -> None:
    error = refused(shop, raw, media_type=media_type)
    assert error["pointer"] == pointer
    assert words in error["detail"]


@pytest.mark.parametrize(
    "header",
    [
        "user_id, variables.name ,variables.link",
        "User_ID,Variables.name,VARIABLES.link",
        "user_id,variables.name,variables.link,",
        "user_id,variables.name,variables.link,,,",
    ],
)
def test_a_header_is_read_as_people_write_it(shop: APIClient, alice: User, header: str) -> None:
    row = f" {alice.pk} , Ada ,x" + "," * header.count(",,")
    text = f"{header}\n{row}\n,,\n , ,\n\n{alice.pk},Bob,y,,,\n"
    assert made(shop, text) == [{"name": " Ada ", "link": "x"}, {"name": "Bob", "link": "y"}]


def test_keys_are_stripped_and_values_keep_their_blanks(shop: APIClient, alice: User) -> None:
    text = f"user_id,request_id,variables.name,variables.link\n{alice.pk} , r-1 ,  A ,x\n"
    made(shop, text)
    row = Notification.objects.get()
    assert (row.request_id, row.variables["name"]) == ("r-1", "  A ")


@pytest.mark.parametrize(
    ("header", "code", "words"),
    [
        ("user_id,variables.name,Variables.name", "repeated_column", "'variables.name'"),
        ("user_id,User_Id", "repeated_column", "'user_id'"),
        ("user_id,variables.a:number,variables.a", "repeated_column", "'variables.a'"),
        ("user_id,variables.a:date", "unknown_type", "number, boolean, json"),
        ("user_id,name", "unknown_column", "'name'"),
        ("variables.name", "required", "user_id"),
    ],
)
def test_a_header_that_cannot_be_right_is_refused_by_name(
    shop: APIClient, alice: User, header: str, code: str, words: str
) -> None:
    error = refused(shop, f"{header}\nx,y,z\n")
    assert (error["pointer"], error["code"]) == ("/header", code)
    assert words in error["detail"]


def test_a_value_in_a_column_without_a_name_is_the_rows_error(shop: APIClient, alice: User) -> None:
    text = f"user_id,variables.name,variables.link,\n{alice.pk},A,x,lost\n{alice.pk},B,y,\n"
    batch_id = accepted_batch_id(upload(shop, text, media_type=CSV, query=MAIL))
    make_all_slices()
    assert [row["errors"][0]["code"] for row in errors(shop, batch_id)] == ["too_many_cells"]
    assert Notification.objects.get().variables["name"] == "B"


@pytest.mark.parametrize(
    ("column", "cell", "value"),
    [
        ("variables.x:number", "150", 150),
        ("variables.x:number", " 12.50 ", 12.5),
        ("variables.x:number", "-1", -1),
        ("variables.x : Number", "7", 7),
        ("variables.x:boolean", "false", False),
        ("variables.x:boolean", "TRUE", True),
        ("variables.x:boolean", "0", False),
        ("variables.x:boolean", "Yes", True),
        ("variables.x:json", '"[1, {""a"": null}]"', [1, {"a": None}]),
        ("variables.x", "150", "150"),
        ("variables.x", "false", "false"),
        ("variables.x.y:number", "2", {"y": 2}),
    ],
)
def test_a_column_may_have_a_type(
    shop: APIClient, alice: User, column: str, cell: str, value: Any
) -> None:
    text = f"user_id,variables.name,variables.link,{column}\n{alice.pk},A,x,{cell}\n"
    assert made(shop, text) == [{"name": "A", "link": "x", "x": value}]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("12,50", 12.5),
        ("1.234,50", 1234.5),
        ("12.50", 12.5),
        ("7", 7),
        ("-1.000.000,5", -1000000.5),
    ],
)
def test_a_number_of_a_file_with_semicolons_has_a_decimal_comma(
    shop: APIClient, alice: User, cell: str, value: float
) -> None:
    text = f"user_id;variables.name;variables.link;variables.x:number\n{alice.pk};A;x;{cell}\n"
    assert made(shop, text)[0]["x"] == value


@pytest.mark.parametrize(
    ("column", "cell", "code"),
    [
        ("variables.x:number", "many", "not_a_number"),
        ("variables.x:number", '"12,50"', "not_a_number"),
        ("variables.x:number", "1e400", "not_a_number"),
        ("variables.x:number", "9" * 16, "not_a_number"),
        ("variables.x:boolean", "maybe", "not_a_boolean"),
        ("variables.x:json", "{", "not_a_json"),
        ("variables.x:json", "[" * 60_000, "not_a_json"),
        ("variables.x:json", '"""a\\u0000"""', "not_a_json"),
        ("variables.x:json", "1e999", "not_a_json"),
    ],
)
def test_a_cell_that_is_not_of_its_type_is_the_rows_error(
    shop: APIClient, alice: User, column: str, cell: str, code: str
) -> None:
    text = f"user_id,variables.name,variables.link,{column}\n{alice.pk},A,x,{cell}\n"
    batch_id = accepted_batch_id(upload(shop, text, media_type=CSV, query=MAIL))
    make_all_slices()
    (row,) = errors(shop, batch_id)
    assert [(one["pointer"], one["code"]) for one in row["errors"]] == [("/variables/x", code)]


def test_a_batch_of_an_earlier_release_keeps_a_colon_in_the_name_of_a_column(
    shop: APIClient, alice: User
) -> None:
    text = f"user_id,variables.name,variables.link,variables.x\n{alice.pk},A,x,1\n"
    accepted_batch_id(upload(shop, text, media_type=CSV, query=MAIL))
    batch = Batch.objects.get()
    batch.terms["header"][3] = "variables.x:colour"
    batch.save()
    make_all_slices()
    assert Notification.objects.get().variables["x:colour"] == "1"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('user_id,variables.name\na,b\nc,"open\nd,e\nf,g\n', 3),
        ('user_id,variables.name\na,"two\nlines"\n\nc,"open\nd,e\n', 5),
        ('user_id,"open\n', 1),
        ('user_id,variables.name\na,"b"c\n', 2),
    ],
)
def test_a_stray_quotation_mark_is_reported_where_it_opens(
    shop: APIClient, alice: User, text: str, line: int
) -> None:
    error = refused(shop, text)
    assert (error["pointer"], error["code"]) == (f"/lines/{line}", "malformed_csv")


@pytest.mark.parametrize("indent", [None, 2])
def test_a_json_array_and_objects_over_several_lines_are_refused_before_the_202(
    shop: APIClient, alice: User, indent: int | None
) -> None:
    rows = [{"user_id": str(alice.pk)}, {"user_id": str(alice.pk)}]
    error = refused(shop, json.dumps(rows, indent=indent), media_type="application/x-ndjson")
    assert error["code"] == "not_ndjson"
    assert "one JSON array" in error["detail"]
    one = refused(shop, "\n" + json.dumps(rows[0], indent=2), media_type="application/x-ndjson")
    assert (one["code"], one["pointer"]) == ("not_ndjson", "/lines/2")


def test_a_file_is_the_same_only_in_the_same_encoding(shop: APIClient, alice: User) -> None:
    raw = f"user_id,variables.name,variables.link\n{alice.pk},Zoë,x\n".encode("cp1252")
    key = {"HTTP_IDEMPOTENCY_KEY": "file-1"}
    first = upload(shop, raw, media_type="text/csv; charset=cp1252", query=MAIL, **key)
    again = upload(shop, raw, media_type="text/csv; charset=windows-1252", query=MAIL, **key)
    other = upload(shop, raw, media_type="text/csv; charset=latin1", query=MAIL, **key)
    assert (first.status_code, again.status_code, other.status_code) == (202, 202, 422)
    assert pointers(other) == [""] or other.json()["code"] == "idempotency_key_reused"


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ('user_id,variables.name\nUSER,"two\nlines"\n\nbad,b\n', [(0, 2), (1, 5)]),
        ("user_id,variables.name\nbad,a\n,,\nbad,b\n", [(0, 2), (1, 4)]),
        ("\n\nuser_id,variables.name\n\nbad,a\n", [(0, 5)]),
    ],
)
def test_the_error_of_a_row_has_its_line_in_the_file(
    shop: APIClient, alice: User, text: str, places: list[tuple[int, int]]
) -> None:
    raw = text.replace("USER", "bad")
    batch_id = accepted_batch_id(upload(shop, raw, media_type=CSV, query=MAIL))
    make_all_slices()
    assert [(row["index"], row["line"]) for row in errors(shop, batch_id)] == places


def test_the_lines_of_ndjson_count_blank_ones(shop: APIClient, alice: User) -> None:
    batch_id = accepted_batch_id(upload(shop, '{"a": 1}\n\n\n{"a": 2}\n'))
    make_all_slices()
    assert [(row["index"], row["line"]) for row in errors(shop, batch_id)] == [(0, 1), (1, 4)]


def test_lines_are_stored_as_the_first_one_where_they_follow_each_other(
    shop: APIClient, alice: User
) -> None:
    rows = "bad,a\n" * 510 + '"b\nad",b\n' + "bad,c\n" * 2
    batch_id = accepted_batch_id(
        upload(shop, f"user_id,variables.name\n{rows}", media_type=CSV, query=MAIL)
    )
    assert list(BatchSlice.objects.order_by("first_index").values_list("lines", flat=True)) == [
        2,
        [*range(502, 513), 514, 515],
    ]
    make_all_slices()
    assert [row["line"] for row in errors(shop, batch_id)][-3:] == [512, 514, 515]


def test_a_file_that_an_earlier_release_received_has_no_lines(shop: APIClient, alice: User) -> None:
    text = "user_id,variables.name\nbad,a\n"
    batch_id = accepted_batch_id(upload(shop, text, media_type=CSV, query=MAIL))
    BatchSlice.objects.update(lines=None)
    make_all_slices()
    (row,) = errors(shop, batch_id)
    assert set(row) == {"index", "errors"}
