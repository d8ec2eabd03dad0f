"""With ``create_users`` the rows of a file create the users that do not exist."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from rest_framework.test import APIClient

from apps.common.callers import Scope
from apps.notifications.batches.row_reader import reader_of
from apps.notifications.models import Batch, BatchSlice, Notification
from apps.users import contacts
from apps.users.models import ExternalId, User
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
from tests.notifications.factories import client_with, person
from tests.notifications.problems import assert_problem, pointers

pytestmark = pytest.mark.django_db
CSV = "text/csv"
TERMS = "?notification_type=email&template_code=welcome"
QUERY = f"{TERMS}&create_users=true"
REST = "variables.name,variables.link"
BY_BOTH = f"external_id,email,{REST}\n"


def created(shop: APIClient, text: str, *, media_type: str = CSV, query: str = QUERY) -> str:
    """Upload a file and create its rows; return the id of the batch."""
    batch_id = accepted_batch_id(upload(shop, text, media_type=media_type, query=query))
    make_all_slices()
    return batch_id


def error_of(shop: APIClient, batch_id: str) -> tuple[int, str, str]:
    """Return the line, the pointer and the code of the only error."""
    (row,) = errors(shop, batch_id)
    (error,) = row["errors"]
    return row["line"], error["pointer"], error["code"]


def test_a_user_is_created_once_with_both_names(shop: APIClient, alice: User) -> None:
    row = "c-1,Dora@example.com,A,x\n"
    batch_id = created(shop, BY_BOTH + row * 3)

    dora = User.objects.get(email_key="dora@example.com")
    assert (dora.email, dora.name, dora.locale) == ("Dora@example.com", "", "en")
    assert list(dora.external_ids.values_list("client", "value")) == [("shop", "c-1")]
    assert read(shop, batch_id)["accepted"] == 3
    assert set(Notification.objects.values_list("user_id", flat=True)) == {dora.pk}


def test_the_user_is_the_same_as_one_that_the_client_has_created(
    shop: APIClient, alice: User
) -> None:
    created(shop, BY_BOTH + "c-1,dora@example.com,A,x\n")
    asked = {"name": "Emil", "email": "emil@example.com", "external_id": "c-2"}
    assert shop.post("/api/v1/users/", asked, format="json").status_code == 201

    ours, theirs = (User.objects.get(email_key=f"{name}@example.com") for name in ("dora", "emil"))
    differing = {"id", "name", "email", "email_key", "password", "created_at", "updated_at"}
    for field in User._meta.concrete_fields:
        if field.attname not in {*differing, "email_confirmed_at"}:
            assert getattr(ours, field.attname) == getattr(theirs, field.attname), field.attname
    assert ours.email_confirmed_at == ours.created_at
    assert theirs.email_confirmed_at == theirs.created_at
    assert not ours.has_usable_password()


def test_the_next_slice_and_the_next_file_use_the_created_user(
    shop: APIClient, alice: User
) -> None:
    created(shop, BY_BOTH + "c-1,dora@example.com,A,x\n" * 501)
    created(shop, f"email,{REST}\ndora@example.com,A,x\n")
    assert User.objects.filter(email_key="dora@example.com").count() == 1
    assert Notification.objects.count() == 502


def test_ndjson_creates_users_as_well(shop: APIClient, alice: User) -> None:
    rest = {"template_code": "welcome", "notification_type": "email"}
    row = {**rest, "email": "dora@example.com", "variables": {"name": "A", "link": "x"}}
    created(shop, ndjson(row, row), media_type=NDJSON, query="?create_users=true")
    dora = User.objects.get(email_key="dora@example.com")
    assert set(Notification.objects.values_list("user_id", flat=True)) == {dora.pk}


def test_the_field_may_stand_in_the_form(shop: APIClient, alice: User) -> None:
    file = SimpleUploadedFile("people.csv", f"email,{REST}\ndora@example.com,A,x\n".encode())
    fields = {"file": file, "create_users": "true"}
    accepted_batch_id(shop.post(UPLOAD + TERMS, fields, format="multipart"))
    make_all_slices()
    assert User.objects.filter(email_key="dora@example.com").exists()


@pytest.mark.parametrize("query", [TERMS, f"{TERMS}&create_users=false"])
def test_without_the_field_no_user_is_created(shop: APIClient, alice: User, query: str) -> None:
    batch_id = created(shop, f"email,{REST}\ndora@example.com,A,x\n", query=query)
    assert error_of(shop, batch_id) == (2, "/email", "unknown_user")
    assert User.objects.count() == 1


def test_an_unknown_user_id_is_an_error_of_its_row(shop: APIClient, alice: User) -> None:
    text = f"user_id,email,{REST}\n{Batch().pk},dora@example.com,A,x\n"
    assert error_of(shop, created(shop, text)) == (2, "/user_id", "unknown_user")
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    ("row", "pointer", "code"),
    [
        ("c-1,,A,x", "/email", "required"),
        ("c-1,no address,A,x", "/email", "invalid_email"),
        (f"c-1,{'d' * 250}@example.com,A,x", "/email", "max_length"),
        (f"{'c' * 256},dora@example.com,A,x", "/external_id", "max_length"),
        ("c\u2028d,dora@example.com,A,x", "/external_id", "line_break"),
    ],
)
def test_a_name_that_the_users_api_refuses_is_an_error_of_its_row(
    shop: APIClient, alice: User, row: str, pointer: str, code: str
) -> None:
    good = "c-7,emil@example.com,B,x\n"
    batch_id = created(shop, f"{BY_BOTH}{good}{row}\n")
    assert error_of(shop, batch_id) == (3, pointer, code)
    assert set(User.objects.values_list("email", flat=True)) == {alice.email, "emil@example.com"}


def test_a_row_that_is_refused_for_another_reason_creates_nobody(
    shop: APIClient, alice: User
) -> None:
    text = f"email,priority,{REST}\ndora@example.com,much,A,x\n"
    assert error_of(shop, created(shop, text)) == (2, "/priority", "invalid")
    assert User.objects.count() == 1


def test_the_user_of_a_known_external_id_keeps_the_address(shop: APIClient, alice: User) -> None:
    ExternalId.objects.create(user=alice, client="shop", value="c-1")
    created(shop, BY_BOTH + "c-1,dora@example.com,A,x\n")
    assert Notification.objects.get().user_id == alice.pk
    assert list(User.objects.values_list("email", flat=True)) == [alice.email]


def test_the_user_of_a_known_address_is_used_and_not_changed(shop: APIClient, alice: User) -> None:
    ExternalId.objects.create(user=alice, client="other", value="c-9")
    created(shop, BY_BOTH + "c-1,ALICE@example.com,A,x\n")
    assert Notification.objects.get().user_id == alice.pk
    assert list(ExternalId.objects.values_list("client", "value")) == [("other", "c-9")]


def test_an_address_of_which_the_client_knows_the_user_by_another_id_is_an_error(
    shop: APIClient, alice: User
) -> None:
    ExternalId.objects.create(user=alice, client="shop", value="c-1")
    batch_id = created(shop, BY_BOTH + "c-2,alice@example.com,A,x\n")
    assert error_of(shop, batch_id) == (2, "/email", "duplicate_email")
    assert ExternalId.objects.count() == 1


def test_two_ids_with_one_new_address_are_an_error_of_the_later_row(
    shop: APIClient, alice: User
) -> None:
    text = f"{BY_BOTH}c-1,dora@example.com,A,x\nc-2,dora@example.com,A,x\n"
    assert error_of(shop, created(shop, text)) == (3, "/email", "duplicate_email")
    assert ExternalId.objects.get().value == "c-1"


def test_an_unconfirmed_account_gives_way_as_it_does_to_the_users_api(
    shop: APIClient, alice: User
) -> None:
    stranger = person("dora", email_confirmed_at=None)
    created(shop, f"email,{REST}\ndora@example.com,A,x\n")
    dora = User.objects.get(email_key="dora@example.com")
    assert dora.pk != stranger.pk
    assert dora.email_confirmed
    assert Notification.objects.get().user_id == dora.pk


def test_the_address_of_an_erased_user_is_a_new_user(shop: APIClient, alice: User) -> None:
    contacts.erase(alice.pk)
    created(shop, f"email,{REST}\nalice@example.com,A,x\n")
    assert User.objects.get(email_key="alice@example.com").pk != alice.pk


def test_an_external_id_that_another_process_has_taken_is_an_error_of_its_row(
    shop: APIClient, alice: User
) -> None:
    """Its user was erased, so it is not found; the constraint still holds."""
    ExternalId.objects.create(user=alice, client="shop", value="c-1")
    User.objects.filter(pk=alice.pk).update(erased_at=timezone.now())
    good = "c-2,emil@example.com,A,x\n"
    batch_id = created(shop, f"{BY_BOTH}c-1,dora@example.com,A,x\n{good}")
    assert error_of(shop, batch_id) == (2, "/external_id", "duplicate_external_id")
    assert read(shop, batch_id)["accepted"] == 1
    assert not User.objects.filter(email_key="dora@example.com").exists()


def test_a_suppressed_address_is_created_and_stays_suppressed(shop: APIClient, alice: User) -> None:
    contacts.suppress(email="dora@example.com", reason="complaint")
    batch_id = created(shop, f"email,{REST}\ndora@example.com,A,x\n")
    assert read(shop, batch_id)["accepted"] == 1
    assert contacts.suppressed(["dora@example.com"]) == {"dora@example.com"}


@pytest.mark.parametrize("missing", [Scope.USERS_WRITE, Scope.USERS_READ])
@pytest.mark.parametrize("pointer", ["/create_users", "?create_users"])
def test_without_a_scope_the_upload_is_refused(welcome: None, missing: Scope, pointer: str) -> None:
    caller = client_with(*(set(Scope) - {missing}))
    text = f"email,{REST}\ndora@example.com,A,x\n"
    if pointer == "/create_users":
        file = SimpleUploadedFile("people.csv", text.encode())
        fields = {"file": file, "create_users": "true"}
        answer = caller.post(UPLOAD + TERMS, fields, format="multipart")
    else:
        answer = upload(caller, text, media_type=CSV, query=QUERY)
    assert_problem(answer, 403)
    assert pointers(answer) == [pointer]
    assert str(missing) in answer.json()["detail"]
    assert (Batch.objects.count(), BatchSlice.objects.count(), User.objects.count()) == (0, 0, 0)


def test_a_value_that_is_no_boolean_is_refused(shop: APIClient) -> None:
    file = SimpleUploadedFile("people.csv", f"email,{REST}\ndora@example.com,A,x\n".encode())
    fields = {"file": file, "create_users": "perhaps"}
    answer = shop.post(UPLOAD + TERMS, fields, format="multipart")
    assert_problem(answer, 400)
    assert pointers(answer) == ["/create_users"]
    assert Batch.objects.count() == 0


def test_the_check_of_the_first_rows_creates_nobody(shop: APIClient, alice: User) -> None:
    answer = upload(shop, f"email,{REST}\ndora@example.com,A,x\n", media_type=CSV, query=QUERY)
    assert answer.status_code == 202
    assert User.objects.count() == 1


def test_the_first_rows_of_users_to_come_are_rendered(shop: APIClient, alice: User) -> None:
    text = f"email,{REST}\ndora@example.com,A,x\n"
    answer = upload(shop, text.replace("variables.link", "variables.other"), media_type=CSV)
    assert answer.status_code == 202  # No row names its template, so each is judged later.
    broken = f"email,variables.name\n{'dora@example.com,A'}\n"
    answer = upload(shop, broken, media_type=CSV, query=QUERY)
    assert answer.json()["code"] == "render_failed", answer.content
    assert User.objects.count() == 1


def test_the_field_is_a_part_of_the_idempotency_key(shop: APIClient, alice: User) -> None:
    text = f"email,{REST}\ndora@example.com,A,x\n"

    def send(query: str) -> Any:
        return upload(shop, text, media_type=CSV, query=query, HTTP_IDEMPOTENCY_KEY="file-1")

    first = accepted_batch_id(send(QUERY))
    assert accepted_batch_id(send(QUERY)) == first
    assert assert_problem(send(TERMS), 422)["code"] == "idempotency_key_reused"


def test_an_earlier_release_does_not_read_a_file_that_creates_users(
    shop: APIClient, alice: User
) -> None:
    """It knows the keys ``header`` and ``new_header``; its step fails, waits and is repeated."""
    upload(shop, f"email,{REST}\ndora@example.com,A,x\n", media_type=CSV, query=QUERY)
    terms = Batch.objects.get().terms
    assert {"header", "new_header"}.isdisjoint(terms)
    assert reader_of(terms, client="shop").columns is not None


def test_a_slice_of_new_users_needs_few_statements(
    shop: APIClient, alice: User, django_assert_max_num_queries: Any
) -> None:
    rows = "".join(f"c-{n},reader{n}@example.com,A,x\n" for n in range(300))
    accepted_batch_id(upload(shop, BY_BOTH + rows, media_type=CSV, query=QUERY))
    with django_assert_max_num_queries(60):
        make_all_slices()
    assert User.objects.count() == ExternalId.objects.count() + 1 == 301
