"""A file of which no row can be rendered is refused before the 202, with what would help."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.notifications.batches.first_rows import FIRST_ROWS
from apps.notifications.models import Batch, BatchSlice, Notification
from apps.users import contacts
from apps.users.models import User
from tests.notifications.batches.batch_api import (
    accepted_batch_id,
    errors,
    make_all_slices,
    read,
    upload,
)
from tests.notifications.factories import template

pytestmark = pytest.mark.django_db
CSV = "text/csv"
QUERY = "?notification_type=email&template_code=offer"
BODY = "{% if total > 100 %}free{% endif %}{% if order.count > 1 %}s{% endif %} {{ note }}"


@pytest.fixture(autouse=True)
def offer(welcome: None) -> None:
    template("offer", content={"subject": "Offer", "body": BODY})


def refused(shop: APIClient, text: str) -> list[dict[str, Any]]:
    answer = upload(shop, text, media_type=CSV, query=QUERY)
    assert answer.status_code == 422, answer.content
    assert answer.json()["code"] == "render_failed"
    assert (Batch.objects.count(), BatchSlice.objects.count()) == (0, 0)
    return list(answer.json()["errors"])


def test_a_type_is_proposed_for_the_columns_that_need_one(shop: APIClient, alice: User) -> None:
    header = "user_id,variables.total,variables.order.count,variables.note\n"
    found = refused(shop, header + f"{alice.pk},150,2,12\n" * 3)

    assert [error["pointer"] for error in found] == ["/lines/2", "/lines/3", "/lines/4"]
    assert found[1]["detail"].startswith("Row 1, line 3: body: ")
    assert found[1]["detail"].endswith("(try variables.total:number, variables.order.count:number)")


@pytest.mark.parametrize(
    ("row", "proposed"),
    [
        ("{user};150,50", "(try variables.total:number in a file with semicolons)"),
        ("{user};150.50", "(try variables.total:number)"),
    ],
)
def test_a_number_with_a_comma_is_proposed_as_one(
    shop: APIClient, alice: User, row: str, proposed: str
) -> None:
    body = "{{ total | money: 'EUR' }}{% if total > 1 %}{% endif %}"
    template("total", content={"subject": "Total", "body": body})
    text = f"user_id;variables.total\n{row.format(user=alice.pk)}\n"
    query = "?notification_type=email&template_code=total"
    answer = upload(shop, text, media_type=CSV, query=query)
    assert answer.json()["errors"][0]["detail"].endswith(proposed)
    typed = text.replace("variables.total", "variables.total:number")
    accepted_batch_id(upload(shop, typed, media_type=CSV, query=query))


def test_with_the_proposed_types_the_file_is_taken(shop: APIClient, alice: User) -> None:
    header = "user_id,variables.total:number,variables.order.count:number,variables.note\n"
    text = header + f"{alice.pk},150,2,12\n" * 3
    batch_id = accepted_batch_id(upload(shop, text, media_type=CSV, query=QUERY))
    make_all_slices()
    assert read(shop, batch_id)["accepted"] == 3
    assert Notification.objects.first().variables["note"] == "12"  # type: ignore[union-attr]


def test_nothing_is_proposed_where_no_type_helps(shop: APIClient, alice: User) -> None:
    header = "user_id,variables.total,variables.note\n"
    (found,) = refused(shop, header + f"{alice.pk},many,x\n")
    assert "try" not in found["detail"]
    assert "many" not in found["detail"], "the value may be personal"


def test_one_row_that_can_be_rendered_is_enough(shop: APIClient, alice: User) -> None:
    header = "user_id,variables.total:number,variables.order.count:number,variables.note\n"
    text = header + f"{alice.pk},,,x\n{alice.pk},1,1,y\n{alice.pk},1,1,\n"
    batch_id = accepted_batch_id(upload(shop, text, media_type=CSV, query=QUERY))
    make_all_slices()
    batch = read(shop, batch_id)
    assert (batch["accepted"], batch["rejected"]) == (2, 1)
    assert [row["line"] for row in errors(shop, batch_id)] == [4]


def test_rows_that_are_no_requests_do_not_count(shop: APIClient, alice: User) -> None:
    text = "user_id,variables.note\nnobody,x\nnobody,y\n"
    batch_id = accepted_batch_id(upload(shop, text, media_type=CSV, query=QUERY))
    make_all_slices()
    assert read(shop, batch_id)["rejected"] == 2


def test_only_the_first_rows_are_rendered(shop: APIClient, alice: User) -> None:
    header = "user_id,variables.total,variables.note\n"
    found = refused(shop, header + f"{alice.pk},150,x\n" * (FIRST_ROWS + 5))
    assert len(found) == FIRST_ROWS


def test_an_unknown_template_is_the_error_of_each_row(shop: APIClient, alice: User) -> None:
    text = f"user_id,notification_type,template_code\n{alice.pk},email,nothing\n"
    batch_id = accepted_batch_id(upload(shop, text, media_type=CSV))
    make_all_slices()
    assert errors(shop, batch_id)[0]["errors"][0]["code"] == "unknown_template"


def test_a_repeated_upload_is_not_rendered_again(shop: APIClient, alice: User) -> None:
    text = f"user_id,variables.note\n{alice.pk},x\n"
    key = {"HTTP_IDEMPOTENCY_KEY": "file-1"}
    first = upload(shop, text, media_type=CSV, query=QUERY, **key)
    again = upload(shop, text, media_type=CSV, query=QUERY, **key)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["batch_id"] == again.json()["batch_id"]


def test_a_row_is_rendered_in_the_language_of_its_user(shop: APIClient, alice: User) -> None:
    german = {"language": "de", "subject": "Angebot", "body": "{{ note }}"}
    assert shop.put("/api/v1/templates/offer", german, format="json").status_code == 200
    User.objects.filter(pk=alice.pk).update(locale="de-AT")
    contacts.forget_locale(alice.pk)
    text = f"user_id,variables.total,variables.note\n{alice.pk},150,x\n"
    accepted_batch_id(upload(shop, text, media_type=CSV, query=QUERY))
    make_all_slices()
    assert Notification.objects.get().language == "de"
