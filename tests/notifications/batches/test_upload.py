"""Uploads of CSV and NDJSON files: rows are validated one by one in the background."""

import json
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from rest_framework.test import APIClient

from apps.common.callers import Scope
from apps.notifications.batches import file_rows
from apps.notifications.batches.upload import drop_incomplete_uploads
from apps.notifications.models import Batch, BatchSlice, BatchState, Notification
from apps.users.models import User
from tests.notifications.batches.batch_api import (
    NDJSON,
    UPLOAD,
    accepted_batch_id,
    errors,
    make_all_slices,
    ndjson,
    read,
    upload,
)
from tests.notifications.factories import body, client_with
from tests.notifications.problems import assert_problem, pointers

pytestmark = pytest.mark.django_db
CSV = "text/csv"
HEADER = "user_id,notification_type,template_code,variables.name,variables.link\n"


def csv_row(user: User, *cells: str) -> str:
    return ",".join([str(user.pk), "email", "welcome", *(cells or ("Ada", "https://x.example"))])


def test_each_line_of_ndjson_becomes_a_notification(
    shop: APIClient, alice: User, bob: User
) -> None:
    text = ndjson(body(alice), body(bob, priority=9)) + "\n"
    answer = upload(shop, text)
    assert answer.json()["total"] == 2
    batch_id = accepted_batch_id(answer)
    assert Notification.objects.count() == 0
    make_all_slices()
    rows = Notification.objects.filter(batch_id=batch_id).order_by("priority")
    assert [(row.user_id, row.lane) for row in rows] == [
        (alice.pk, "email.bulk"),
        (bob.pk, "email.urgent"),
    ]
    got = read(shop, batch_id)
    assert (got["source"], got["state"], got["accepted"]) == ("upload", "finished", 2)


def test_each_row_of_a_csv_becomes_a_notification(shop: APIClient, alice: User) -> None:
    text = HEADER + csv_row(alice) + "\r\n" + csv_row(alice, '"Ada, ""the"" first\nof all"', "y")
    accepted_batch_id(upload(shop, "\ufeff" + text, media_type=CSV))
    make_all_slices()
    said = [row.variables for row in Notification.objects.order_by("variables__link")]
    assert said == [
        {"name": "Ada", "link": "https://x.example"},
        {"name": 'Ada, "the" first\nof all', "link": "y"},
    ]


def test_semicolons_are_accepted_as_separators(shop: APIClient, alice: User) -> None:
    text = (HEADER + csv_row(alice)).replace(",", ";")
    accepted_batch_id(upload(shop, text, media_type=CSV))
    make_all_slices()
    assert Notification.objects.count() == 1


def test_cells_get_the_types_of_their_columns_and_empty_ones_are_left_out(
    shop: APIClient, alice: User
) -> None:
    header = HEADER.strip() + ",priority,request_id,metadata.shop.city,variables.amount\n"
    accepted_batch_id(
        upload(shop, header + csv_row(alice, "A", "B") + ",8,r-1,Bonn,\n", media_type=CSV)
    )
    make_all_slices()
    row = Notification.objects.get()
    assert (row.priority, row.request_id) == (8, "r-1")
    assert row.metadata == {"shop": {"city": "Bonn"}}
    assert row.variables == {"name": "A", "link": "B"}


def test_query_parameters_are_defaults_for_the_rows(shop: APIClient, alice: User) -> None:
    text = f"user_id,variables.name,variables.link,priority\n{alice.pk},A,B,\n{alice.pk},A,B,2\n"
    query = "?notification_type=email&template_code=welcome&priority=4"
    accepted_batch_id(upload(shop, text, media_type=CSV, query=query))
    make_all_slices()
    assert sorted(Notification.objects.values_list("priority", flat=True)) == [2, 4]


def test_a_form_carries_a_file_and_its_fields(shop: APIClient, alice: User) -> None:
    text = f"user_id,variables.name,variables.link\n{alice.pk},A,B\n"
    file = SimpleUploadedFile("people.csv", text.encode(), content_type="application/octet-stream")
    fields = {"file": file, "notification_type": "email", "template_code": "welcome"}
    accepted_batch_id(shop.post(UPLOAD, fields, format="multipart"))
    make_all_slices()
    assert Notification.objects.count() == 1


@pytest.mark.parametrize("twice", ["template_code", "file"])
def test_a_form_field_that_is_given_twice_is_refused(
    shop: APIClient, alice: User, twice: str
) -> None:
    text = f"user_id,variables.name,variables.link\n{alice.pk},A,B\n"
    files = [SimpleUploadedFile(f"{place}.csv", text.encode()) for place in range(2)]
    fields: dict[str, list[Any]] = {"file": files, "template_code": ["welcome", "other"]}
    form = {name: values if name == twice else values[:1] for name, values in fields.items()}
    query = "?notification_type=email"
    answer = shop.post(UPLOAD + query, form, format="multipart")
    assert_problem(answer, 400)
    assert pointers(answer) == [f"/{twice}"]
    assert Batch.objects.count() == 0


def test_bad_rows_are_reported_by_their_place_and_affect_no_other(
    shop: APIClient, alice: User
) -> None:
    lines = [
        json.dumps(body(alice)),
        "{",
        json.dumps(body(uuid4())),
        json.dumps(body(alice, priority=10)),
        "[]",
        json.dumps(body(alice, variables={"name": "a\x00", "link": "x"})),
        json.dumps(body(alice, variables={})),
        json.dumps(body(alice)),
    ]
    batch_id = accepted_batch_id(upload(shop, "\n".join(lines)))
    make_all_slices()
    found = errors(shop, batch_id)
    assert [(error["index"], error["errors"][0]["pointer"]) for error in found] == [
        (1, ""),
        (2, "/user_id"),
        (3, "/priority"),
        (4, ""),
        (5, "/variables/name"),
        (6, "/variables/link"),
    ]
    got = read(shop, batch_id)
    assert (got["accepted"], got["rejected"], got["total"]) == (2, 6, 8)


@pytest.mark.parametrize("mark", ["\x00", "\x07", "\x1f", "\x7f"])
def test_a_control_character_in_a_cell_is_named_by_its_column(
    shop: APIClient, alice: User, mark: str
) -> None:
    text = HEADER + csv_row(alice) + "\n" + csv_row(alice, f"A{mark}da", "https://x.example")
    batch_id = accepted_batch_id(upload(shop, text, media_type=CSV))
    make_all_slices()
    (rejected,) = errors(shop, batch_id)
    (error,) = rejected["errors"]
    assert (rejected["index"], error["pointer"]) == (1, "/variables/name")
    assert error["code"] == "control_character"


def test_a_csv_row_with_too_many_cells_is_rejected(shop: APIClient, alice: User) -> None:
    text = HEADER + csv_row(alice) + ",more\n" + csv_row(alice) + "\n"
    batch_id = accepted_batch_id(upload(shop, text, media_type=CSV))
    make_all_slices()
    (error,) = errors(shop, batch_id)
    assert (error["index"], error["errors"][0]["code"]) == (0, "too_many_cells")
    assert Notification.objects.count() == 1


def test_a_repeated_request_id_is_a_duplicate(shop: APIClient, alice: User) -> None:
    rows = [body(alice, request_id="r", priority=1), body(alice, request_id="r", priority=1)]
    batch_id = accepted_batch_id(upload(shop, ndjson(*rows)))
    make_all_slices()
    got = read(shop, batch_id)
    assert (got["accepted"], got["duplicates"], got["rejected"]) == (1, 1, 0)


BAD_FILES = [
    (b"", NDJSON, ""),
    (b"\n\n", NDJSON, ""),
    (HEADER.encode(), CSV, ""),
    (b"user_id,user_id\nx,y\n", CSV, "/header"),
    (b"user_id,colour\nx,y\n", CSV, "/header"),
    (b"template_code\nx\n", CSV, "/header"),
    (HEADER.encode() + b"\xff\xfe,a,b,c,d\n", CSV, "/lines/2"),
    (HEADER.encode() + b'"open,a,b,c,d\n', CSV, "/lines/2"),
    (b'{"x": "' + b"y" * 70_000 + b'"}\n', NDJSON, "/lines/1"),
]


@pytest.mark.parametrize(("raw", "media_type", "pointer"), BAD_FILES)
def test_an_unreadable_file_is_refused_and_nothing_is_stored(
    shop: APIClient, alice: User, raw: bytes, media_type: str, pointer: str
) -> None:
    answer = upload(shop, raw, media_type=media_type)
    assert_problem(answer, 400)
    assert pointers(answer) == [pointer]
    assert (Batch.objects.count(), BatchSlice.objects.count()) == (0, 0)


def test_a_file_with_an_error_in_a_later_slice_is_refused_and_nothing_is_stored(
    shop: APIClient, alice: User
) -> None:
    text = HEADER + (csv_row(alice) + "\n") * 1200
    answer = upload(shop, text.encode() + b"\xff\n", media_type=CSV)
    assert pointers(answer) == ["/lines/1202"]
    assert (Batch.objects.count(), BatchSlice.objects.count()) == (0, 0)


@pytest.mark.parametrize("query", ["?priority=10", "?colour=red", "?notification_type=fax"])
def test_a_bad_parameter_is_reported_before_the_file_is_read(
    shop: APIClient, alice: User, query: str
) -> None:
    answer = upload(shop, ndjson(body(alice)), query=query)
    assert_problem(answer, 400)
    assert pointers(answer) == [query.partition("=")[0]]
    assert Batch.objects.count() == 0


def test_another_content_type_of_an_upload_is_a_415(shop: APIClient, alice: User) -> None:
    assert_problem(upload(shop, "{}", media_type="application/json"), 415)


def test_a_form_without_a_file_is_a_400(shop: APIClient, alice: User) -> None:
    answer = shop.post(UPLOAD, {"template_code": "welcome"}, format="multipart")
    assert pointers(answer) == ["/file"]


def test_the_same_file_again_is_the_same_batch(shop: APIClient, alice: User) -> None:
    text = ndjson(body(alice))
    first = accepted_batch_id(upload(shop, text, HTTP_IDEMPOTENCY_KEY="file-1"))
    again = upload(shop, text, HTTP_IDEMPOTENCY_KEY="file-1")
    assert (accepted_batch_id(again), again["Idempotency-Replayed"]) == (first, "true")
    other = upload(shop, text * 2, HTTP_IDEMPOTENCY_KEY="file-1")
    assert assert_problem(other, 422)["code"] == "idempotency_key_reused"
    Batch.objects.update(state=BatchState.RECEIVING)
    assert_problem(upload(shop, text, HTTP_IDEMPOTENCY_KEY="file-1"), 409)
    assert Batch.objects.count() == 1


def test_an_upload_whose_request_died_is_deleted(shop: APIClient, alice: User) -> None:
    kept = accepted_batch_id(upload(shop, ndjson(body(alice))))
    accepted_batch_id(upload(shop, ndjson(body(alice))))
    Batch.objects.exclude(pk=kept).update(state=BatchState.RECEIVING, next_at=timezone.now())
    assert drop_incomplete_uploads()
    assert not drop_incomplete_uploads()
    assert [str(batch.pk) for batch in Batch.objects.all()] == [kept]
    assert BatchSlice.objects.count() == 1


def test_a_slice_that_is_made_again_changes_nothing(shop: APIClient, alice: User) -> None:
    batch_id = accepted_batch_id(upload(shop, ndjson(*[body(alice)] * 3)))
    batch, piece = Batch.objects.get(pk=batch_id), BatchSlice.objects.get()
    make_all_slices()
    first = set(Notification.objects.values_list("pk", flat=True))
    batch.save()
    piece.save(force_insert=True)
    make_all_slices()
    assert set(Notification.objects.values_list("pk", flat=True)) == first
    assert len(first) == 3


def test_a_large_file_is_processed_slice_by_slice(shop: APIClient, alice: User) -> None:
    batch_id = accepted_batch_id(upload(shop, ndjson(*[body(alice)] * 1201)))
    assert BatchSlice.objects.count() == 3
    assert make_all_slices() == 3
    assert Notification.objects.filter(batch_id=batch_id).count() == 1201
    assert BatchSlice.objects.count() == 0


def test_more_than_a_million_rows_are_refused_while_they_are_read() -> None:
    class Endless:
        read_bytes = 0

        def read(self, size: int) -> bytes:
            self.read_bytes += size
            return b"{}\n" * (size // 3)

    source: Any = Endless()
    with pytest.raises(Exception, match="more than 1000000 rows"):
        for _ in file_rows.rows(source, file_rows.FileFormat.NDJSON):
            pass
    assert source.read_bytes < 4_000_000


def test_a_key_needs_the_scope_to_send(alice: User) -> None:
    reader = client_with(*(set(Scope) - {Scope.NOTIFICATIONS_SEND}))
    assert_problem(upload(reader, ndjson(body(alice))), 403)
    assert Batch.objects.count() == 0
