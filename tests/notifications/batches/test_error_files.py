"""The errors of a batch as a spreadsheet that is mended and uploaded again."""

import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.notifications.batches.error_columns import escaped, unescaped
from apps.notifications.models import Batch, BatchError, Notification
from apps.notifications.privacy.retention import rejected_rows
from apps.notifications.privacy.retention.purge import Purge
from apps.users import contacts
from apps.users.models import User
from tests.notifications.batches.batch_api import (
    BATCHES,
    NDJSON,
    accepted_batch_id,
    broadcast,
    make_all_slices,
    ndjson,
    read,
    upload,
)
from tests.notifications.factories import body, template
from tests.notifications.problems import assert_problem, pointers

pytestmark = pytest.mark.django_db
CSV = "text/csv"
QUERY = "?notification_type=email&template_code=welcome"
REST = "variables.name,variables.link"
ERRORS = ["error.line", "error.pointer", "error.code", "error.detail"]
NO_NUMBER = "Expected `int`, got `str`."
BOM = b"\xef\xbb\xbf"


def rejected(shop: APIClient, text: str, *, media_type: str = CSV, query: str = QUERY) -> str:
    batch_id = accepted_batch_id(upload(shop, text, media_type=media_type, query=query))
    make_all_slices()
    return batch_id


def raw_file(shop: APIClient, batch_id: str) -> bytes:
    answer: Any = shop.get(f"{BATCHES}{batch_id}/errors?format=csv")
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == f'attachment; filename="errors-{batch_id}.csv"'
    raw = bytes(answer.getvalue())
    assert raw.startswith(BOM)
    return raw


def table(shop: APIClient, batch_id: str, *, delimiter: str = ",") -> list[list[str]]:
    text = raw_file(shop, batch_id).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))


def test_the_file_has_the_rejected_rows_with_their_errors(shop: APIClient, alice: User) -> None:
    text = f"priority,User_ID ,,{REST}\n5,{alice.pk},,A,x\nmuch,{alice.pk},,B,\n,nobody,,C,x\n"
    assert table(shop, rejected(shop, text)) == [
        ["priority", "user_id", "", "variables.name", "variables.link", *ERRORS],
        ["much", str(alice.pk), "", "B", "", "3", "/priority", "invalid", NO_NUMBER],
        ["", "nobody", "", "C", "x", "4", "/user_id", "invalid", "Invalid UUID."],
    ]


def test_several_errors_of_a_row_are_joined(shop: APIClient, alice: User) -> None:
    batch_id = rejected(shop, f"user_id,{REST}\n{alice.pk},A,x\n{alice.pk},,\n")
    assert table(shop, batch_id)[1][3:] == [
        "3",
        "/variables/link; /variables/name",
        "required; required",
        "The template needs this variable.; The template needs this variable.",
    ]


def test_semicolons_types_and_decimal_commas_are_as_they_were(shop: APIClient, alice: User) -> None:
    text = f"user_id;variables.total:number;variables.vip:boolean\n{alice.pk};1.150,50;perhaps\n"
    found = table(shop, rejected(shop, text), delimiter=";")
    assert found[0][:3] == ["user_id", "variables.total:number", "variables.vip:boolean"]
    assert found[1][:3] == [str(alice.pk), "1.150,50", "perhaps"]


def test_tabs_stay_tabs(shop: APIClient, alice: User) -> None:
    found = table(shop, rejected(shop, "user_id\tpriority\nnobody\t5\n"), delimiter="\t")
    assert found[1][:2] == ["nobody", "5"]


def test_the_mended_file_is_uploaded_again(shop: APIClient, alice: User) -> None:
    cells = [
        '=A1+"x"',
        "'=A1",
        "''-1",
        "-5,5",
        "+49",
        "@home",
        "\tx",
        "\uff1dA1",
        "'quoted'",
        "a\nb",
    ]
    names = [f"variables.x{place}" for place in range(len(cells))]
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["user_id", *REST.split(","), *names])
    writer.writerow(["nobody", "Ada, Bob", "x", *cells])
    first = raw_file(shop, rejected(shop, file.getvalue()))
    assert b'nobody,"Ada, Bob",x,"\'=A1+""x""",\'\'=A1,\'\'\'-1,' in first

    mended = first.replace(b"nobody", str(alice.pk).encode())
    batch_id = rejected(shop, mended.decode())
    assert read(shop, batch_id)["accepted"] == 1
    variables = Notification.objects.get().variables
    assert [variables[name.partition(".")[2]] for name in names] == cells
    assert variables["name"] == "Ada, Bob"


def test_the_file_of_a_file_with_errors_has_each_column_once(shop: APIClient, alice: User) -> None:
    first = raw_file(shop, rejected(shop, f"user_id,{REST}\nnobody,=A,x\n"))
    again = raw_file(shop, rejected(shop, first.decode()))
    assert again == first


def test_a_file_without_error_columns_keeps_its_apostrophes(shop: APIClient, alice: User) -> None:
    rejected(shop, f"user_id,{REST}\n{alice.pk},'=A1,x\n")
    assert Notification.objects.get().variables["name"] == "'=A1"


def test_columns_of_errors_alone_name_no_recipient(shop: APIClient, alice: User) -> None:
    answer = upload(shop, "error.line,priority\n1,5\n", media_type=CSV, query=QUERY)
    assert_problem(answer, 400)
    assert pointers(answer) == ["/header"]
    assert Batch.objects.count() == 0


def test_cells_beyond_the_columns_are_kept_beyond_them(shop: APIClient, alice: User) -> None:
    first = raw_file(shop, rejected(shop, f"user_id,{REST}\n{alice.pk},A,x,more,\n"))
    assert first.endswith(b",more,\r\n")
    assert raw_file(shop, rejected(shop, first.decode())) == first


@pytest.mark.parametrize(
    "start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"]
)
def test_a_formula_gets_one_apostrophe_that_is_taken_away_again(start: str) -> None:
    for cell in (start, f"{start}1", f"'{start}1", f"''{start}"):
        assert escaped(cell) == f"'{cell}"
        assert unescaped(escaped(cell)) == cell
    for cell in ("", "'", "1", f"a{start}", "'a"):
        assert escaped(cell) == cell == unescaped(cell)


def test_rows_of_ndjson_become_columns_that_can_be_uploaded(shop: APIClient, alice: User) -> None:
    link = {"link": "x"}
    rows = [
        body("nobody", variables={"name": "Ada", "total": 2.5, **link}, priority=7),
        body("nobody", variables={"name": "Bob", "total": "many", "list": [1, "a"], **link}),
        body("nobody", variables={"name": "", "a.b": 1, **link}, metadata={"shop": "-1"}),
        body("nobody", colour="red", variables={"name": "Eve", **link}),
        {"user_id": 7, "variables": None},
        "no object",
    ]
    text = ndjson(*rows) + "{broken\n"
    first = raw_file(shop, rejected(shop, text, media_type=NDJSON, query=""))
    header, *found = csv.reader(io.StringIO(first.decode("utf-8-sig"), newline=""), strict=True)
    assert header == [
        *("user_id", "notification_type", "template_code", "priority"),
        *("variables.name", "variables.total:json", "variables.link", "variables.list:json"),
        *("variables:json", "metadata.shop"),
        *ERRORS,
        "error.rest",
    ]
    given = [dict(zip(header, row, strict=True)) for row in found]
    assert [row["error.line"] for row in given] == ["1", "2", "3", "4", "5", "6", "7"]
    assert [row["variables.total:json"] for row in given[:3]] == ["2.5", '"many"', ""]
    assert given[1]["variables.list:json"] == '[1,"a"]'
    assert json.loads(given[2]["variables:json"]) == {"name": "", "a.b": 1, "link": "x"}
    assert given[2]["metadata.shop"] == "'-1"
    assert given[3]["error.rest"] == '{"colour":"red"}'
    assert (given[4]["user_id"], given[4]["variables:json"]) == ("7", "null")
    assert set(list(given[6].values())[:10]) == {""}

    mended = first.decode().replace("nobody", str(alice.pk))
    batch_id = rejected(shop, mended)
    assert read(shop, batch_id)["accepted"] == 4
    said = [row.variables for row in Notification.objects.order_by("metadata", "variables__name")]
    assert {"name": "Ada", "total": 2.5, "link": "x"} in said
    assert {"name": "Bob", "total": "many", "list": [1, "a"], "link": "x"} in said
    assert {"name": "", "a.b": 1, "link": "x"} in said
    assert Notification.objects.get(metadata__shop="-1").variables["a.b"] == 1


def test_many_names_of_variables_do_not_make_many_columns(shop: APIClient, alice: User) -> None:
    rows = [body("nobody", variables={f"x{place}": "1"}) for place in range(300)]
    header, *found = table(shop, rejected(shop, ndjson(*rows), media_type=NDJSON, query=""))
    assert len(header) < 220
    assert len(found) == 300
    assert '{"x299":"1"}' in found[-1]
    assert [sum(map(bool, row[:-4])) for row in found] == [4] * 300


def test_a_bulk_call_has_indexes_and_errors(shop: APIClient, alice: User) -> None:
    rows = {"notifications": [body(alice), body("nobody")]}
    answer = shop.post("/api/v1/notifications/bulk", rows, format="json")
    header, row = table(shop, answer.json()["batch_id"])
    assert header == ["index", *ERRORS]
    assert row[:4] == ["1", "", "/user_id", "invalid"]


def test_a_broadcast_has_indexes_and_errors(shop: APIClient, alice: User) -> None:
    batch_id = accepted_batch_id(broadcast(shop, {"user_ids": [str(Batch().pk)]}))
    make_all_slices()
    header, row = table(shop, batch_id)
    assert header == ["index", *ERRORS]
    assert row == ["0", "", "/user_id", "unknown_user", "There is no such user."]


def test_the_lines_of_json_stay_the_default(shop: APIClient, alice: User) -> None:
    batch_id = rejected(shop, f"user_id,{REST}\nnobody,A,x\n")
    answers: list[Any] = [
        shop.get(f"{BATCHES}{batch_id}/errors{query}") for query in ("", "?format=ndjson")
    ]
    assert {answer["Content-Type"] for answer in answers} == {NDJSON}
    plain, named = (bytes(answer.getvalue()) for answer in answers)
    assert plain == named
    assert b"nobody" not in plain


@pytest.mark.parametrize("query", ["?format=xlsx", "?format=", "?format=json"])
def test_another_format_is_refused(shop: APIClient, alice: User, query: str) -> None:
    batch_id = rejected(shop, f"user_id,{REST}\nnobody,A,x\n")
    answer = shop.get(f"{BATCHES}{batch_id}/errors{query}")
    assert_problem(answer, 400)
    assert pointers(answer) == ["?format"]


def test_a_client_that_accepts_csv_gets_it(shop: APIClient, alice: User) -> None:
    batch_id = rejected(shop, f"user_id,{REST}\nnobody,A,x\n")
    answer = shop.get(f"{BATCHES}{batch_id}/errors?format=csv", headers={"accept": "text/csv"})
    assert answer.status_code == 200


def test_rows_of_an_earlier_release_have_empty_cells(shop: APIClient, alice: User) -> None:
    batch_id = rejected(shop, f"user_id,{REST}\nnobody,A,x\n")
    BatchError.objects.update(row=None, user_id=None, kept_at=None)
    assert table(shop, batch_id)[1][:4] == ["", "", "", "2"]
    Batch.objects.update(table=None)
    assert table(shop, batch_id)[0] == ERRORS


def test_a_file_that_an_earlier_release_received_has_its_columns(
    shop: APIClient, alice: User
) -> None:
    batch_id = accepted_batch_id(
        upload(
            shop,
            f"user_id;{REST.replace(',', ';')};variables.x:number\nnobody;A;x;1\n",
            media_type=CSV,
            query=QUERY,
        )
    )
    Batch.objects.update(table=None)
    make_all_slices()
    found = table(shop, batch_id, delimiter=";")
    assert found[0][3] == "variables.x:number"
    assert found[1][:4] == ["nobody", "A", "x", "1"]


def test_a_row_of_a_sensitive_template_is_not_kept(shop: APIClient, alice: User) -> None:
    template("otp", content={"subject": "s", "body": "{{ code }} {{ more }}"}, sensitive=True)
    text = (
        "user_id,template_code,variables.code,priority\n"
        f"{alice.pk},otp,741852,\nnobody,otp,741852,\n{alice.pk},otp,741852,much\n"
        f"{alice.pk},none,1,\n"
    )
    batch_id = rejected(shop, text)
    rows = table(shop, batch_id)[1:]
    assert [row[:4] for row in rows] == [[""] * 4] * 3 + [[str(alice.pk), "none", "1", ""]]
    assert rows[0][6] == "required"
    batch_id = rejected(shop, "user_id,variables.code\nnobody,741852\n", query=f"{QUERY[:-7]}otp")
    assert table(shop, batch_id)[1][:2] == ["", ""]
    text = '{"template_code": "otp", "variables": {"code": "741852}}\n'
    rejected(shop, text, media_type=NDJSON)
    assert BatchError.objects.filter(row__isnull=False).count() == 1


def test_the_rows_of_an_erased_user_are_cleared(shop: APIClient, alice: User, bob: User) -> None:
    text = (
        f"user_id,email,priority,variables.total:number,{REST}\n"
        f"{alice.pk},,much,1,A,x\n,alice@example.com,1,many,A,x\n{bob.pk},,much,1,B,x\n"
    )
    batch_id = rejected(shop, text)
    assert [row[4] for row in table(shop, batch_id)[1:]] == ["A", "A", "B"]
    contacts.erase(alice.pk)
    assert [row[4] for row in table(shop, batch_id)[1:]] == ["", "", "B"]
    assert set(BatchError.objects.values_list("user_id", flat=True)) == {None, bob.pk}


def test_the_row_of_a_user_who_was_erased_before_is_not_kept(shop: APIClient, alice: User) -> None:
    contacts.erase(alice.pk)
    batch_id = rejected(shop, f"user_id,{REST}\n{alice.pk},A,x\n")
    assert table(shop, batch_id)[1][:3] == ["", "", ""]


def test_rows_are_cleared_after_days_and_their_errors_stay(shop: APIClient, alice: User) -> None:
    batch_id = rejected(shop, f"user_id,{REST}\n" + "nobody,A,x\n" * 5)
    assert rejected_rows.clear_step() == 0
    long_ago = timezone.now() - timedelta(days=7) + timedelta(hours=1)
    kept = BatchError.objects.order_by("index").last()
    assert kept is not None
    BatchError.objects.exclude(pk=kept.pk).update(kept_at=long_ago)
    assert [rejected_rows.clear_step(rows=3) for _ in range(3)] == [3, 1, 0]
    rows = table(shop, batch_id)[1:]
    assert [row[1] for row in rows] == ["", "", "", "", "A"]
    assert {row[5] for row in rows} == {"invalid"}


def test_the_job_of_the_retention_clears_them(shop: APIClient, alice: User) -> None:
    batch_id = rejected(shop, f"user_id,{REST}\n" + "nobody,A,x\n" * 3)
    BatchError.objects.update(kept_at=timezone.now() - timedelta(days=7))
    Purge()()
    assert BatchError.objects.filter(row__isnull=False).count() == 0
    assert len(table(shop, batch_id)) == 4


def test_a_download_needs_the_same_statements_for_many_rows(
    shop: APIClient, alice: User, django_assert_max_num_queries: Any
) -> None:
    batch_id = rejected(shop, f"user_id,{REST}\n" + "nobody,A,x\n" * 1200)
    with django_assert_max_num_queries(12):
        assert len(table(shop, batch_id)) == 1201
