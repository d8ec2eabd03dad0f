"""The suppression list through the API: read, add, remove with a reason, export, import."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from apps.common.callers import Kind, Scope
from apps.desk.models import AuditEntry
from apps.users import contacts, purge_expired, suppressions
from apps.users.addresses import address_hash
from apps.users.models import Suppression, User
from tests.notifications.factories import client_with, person
from tests.notifications.problems import assert_problem

URL = "/api/v1/suppressions/"
HASH = address_hash("ada@example.com")


@pytest.fixture
def operator(db: None) -> APIClient:
    return client_with(Scope.OPERATIONS, client="ops")


@pytest.fixture
def ada(db: None) -> User:
    return person("ada")


def listed(user: User) -> bool:
    return contacts.load_contacts([user.pk])[user.pk].suppressed


def trail() -> list[tuple[str, str, str, str]]:
    rows = AuditEntry.objects.order_by("pk")
    return list(rows.values_list("actor", "action", "object_id", "detail"))


def upload(caller: APIClient, text: str | bytes, query: str = "") -> Any:
    given: Any = text.encode() if isinstance(text, str) else text
    return caller.generic("POST", f"{URL}import{query}", given, content_type="text/csv")


def test_an_address_is_added_read_and_removed_with_a_reason(operator: APIClient, ada: User) -> None:
    given = {"email": "ADA@example.com", "note": "asked by phone"}

    answer = operator.post(URL, given, format="json")

    assert answer.status_code == 201
    entry = answer.json()
    assert entry == {
        "id": entry["id"],
        "email": "ADA@example.com",
        "address_hash": HASH,
        "reason": "manual",
        "expires_at": None,
        "created_at": entry["created_at"],
        "source": "ops",
    }
    assert listed(ada)
    assert operator.get(URL).json()["results"] == [entry]

    gone = operator.delete(f"{URL}{entry['id']}?reason=It works again")

    assert (gone.status_code, gone.content) == (204, b"")
    assert not listed(ada)
    assert trail() == [
        ("ops", "suppressed", HASH, "manual"),
        ("ops", "unsuppressed", HASH, "It works again (was: manual)"),
    ]
    assert_problem(operator.delete(f"{URL}{entry['id']}?reason=x"), 404)


def test_an_address_that_is_listed_is_answered_with_its_entry(operator: APIClient) -> None:
    contacts.suppress(email="ada@example.com", reason="complaint", source="sendgrid")

    answer = operator.post(URL, {"email": "Ada@example.com"}, format="json")

    assert answer.status_code == 200
    assert (answer.json()["reason"], answer.json()["source"]) == ("complaint", "sendgrid")
    assert trail() == []


def test_an_entry_ends_by_itself(operator: APIClient, ada: User) -> None:
    end = timezone.now() + timedelta(days=1)
    given = {"email": "ada@example.com", "reason": "soft_bounces", "expires_at": end.isoformat()}
    assert operator.post(URL, given, format="json").status_code == 201
    assert listed(ada)

    Suppression.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert not listed(ada)
    assert operator.get(URL).json()["results"] == []
    assert operator.post(URL, {"email": "ada@example.com"}, format="json").status_code == 201
    assert listed(ada)


def test_entries_that_have_ended_are_purged(ada: User) -> None:
    for name, days in (("a", -1), ("b", 1), ("c", None)):
        ends = None if days is None else timezone.now() + timedelta(days=days)
        entry = suppressions.NewSuppression(address_hash=name * 64, reason="x", expires_at=ends)
        suppressions.add([entry])

    assert purge_expired.purge_expired() == 1
    found = Suppression.objects.order_by("address_hash").values_list("address_hash", flat=True)
    assert list(found) == ["b" * 64, "c" * 64]


@pytest.mark.parametrize("reason", ["", "?reason=", "?reason=%20", "?reason=a%0Ab", "?why=x"])
def test_a_removal_without_a_reason_is_a_400(operator: APIClient, ada: User, reason: str) -> None:
    contacts.suppress(email="ada@example.com", reason="complaint")

    assert_problem(operator.delete(f"{URL}{Suppression.objects.get().pk}{reason}"), 400)

    assert listed(ada)
    assert trail() == []


@pytest.mark.parametrize("given", ["0", "99999999", "x", "-1", "1.5", "\u0661", "9" * 40])
def test_a_removal_of_nothing_is_a_404(operator: APIClient, given: str) -> None:
    assert_problem(operator.delete(f"{URL}{given}?reason=x"), 404)


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, 400),
        ({"email": "no address"}, 400),
        ({"email": 5}, 400),
        ({"email": "ada@example.com", "reason": "because"}, 400),
        ({"email": "ada@example.com", "expires_at": "soon"}, 400),
        ({"email": "ada@example.com", "expires_at": "2020-01-01T00:00:00Z"}, 422),
        ({"email": "ada@example.com", "note": "x" * 501}, 400),
        ({"email": "ada@example.com", "address_hash": HASH}, 400),
    ],
)
def test_bad_input_adds_nothing(operator: APIClient, given: dict[str, Any], status: int) -> None:
    assert_problem(operator.post(URL, given, format="json"), status)
    assert (Suppression.objects.count(), trail()) == (0, [])


def test_the_list_is_paged_and_filtered(operator: APIClient) -> None:
    contacts.suppress_all({f"user{number}@example.com": "complaint" for number in range(5)})
    contacts.suppress(email="ada@example.com", reason="hard_bounce")
    Suppression.objects.create(address_hash="a" * 64, reason="asked by phone")

    seen, link = [], f"{URL}?page_size=3"
    while link:
        page = operator.get(link).json()
        seen += [entry["id"] for entry in page["results"]]
        link = page["next"]
    assert seen == sorted(Suppression.objects.values_list("pk", flat=True), reverse=True)

    def found(query: str) -> list[str]:
        return [one["reason"] for one in operator.get(f"{URL}?{query}").json()["results"]]

    assert found("email=ADA@example.com") == ["hard_bounce"]
    assert found("reason=complaint") == ["complaint"] * 5
    # The word of an older release.
    assert found("reason=manual") == ["manual"]
    assert_problem(operator.get(f"{URL}?reason=x"), 400)
    assert_problem(operator.get(f"{URL}?cursor=cD14"), 400)


def test_an_erased_address_has_its_hash_only(operator: APIClient, ada: User) -> None:
    contacts.suppress(email="ada@example.com", reason="complaint")
    Suppression.objects.update(address="")

    (entry,) = operator.get(URL).json()["results"]

    assert (entry["email"], entry["address_hash"]) == (None, HASH)


def test_the_scope_of_operations_is_needed_and_a_live_key_for_changes(ada: User) -> None:
    contacts.suppress(email="ada@example.com", reason="complaint")
    entry = f"{URL}{Suppression.objects.get().pk}?reason=x"
    others = client_with(*(set(Scope) - {Scope.OPERATIONS}))
    for answer in (others.get(URL), others.get(f"{URL}export"), others.delete(entry)):
        assert_problem(answer, 403)

    testing = client_with(Scope.OPERATIONS, kind=Kind.TEST)
    assert_problem(testing.post(URL, {"email": "bob@example.com"}, format="json"), 403)
    assert_problem(upload(testing, "email\nbob@example.com\n"), 403)
    assert_problem(testing.delete(entry), 403)
    assert Suppression.objects.count() == 1


# --- files


def rows_of(answer: Any) -> list[dict[str, str]]:
    text = b"".join(answer.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(text)))


def test_an_export_is_what_an_import_reads(operator: APIClient, ada: User) -> None:
    end = timezone.now() + timedelta(days=9)
    contacts.suppress(email="=cmd@example.com", reason="complaint", source="sendgrid")
    suppressions.add(
        [suppressions.NewSuppression(address_hash=HASH, reason="hard_bounce", expires_at=end)]
    )
    expired = suppressions.NewSuppression(
        address_hash="e" * 64, reason="x", expires_at=timezone.now() - timedelta(days=1)
    )
    suppressions.add([expired])

    answer = operator.get(f"{URL}export")

    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    found = rows_of(answer)
    assert [(row["email"], row["reason"], row["source"]) for row in found] == [
        # No spreadsheet takes it for a formula.
        ("'=cmd@example.com", "complaint", "sendgrid"),
        ("", "hard_bounce", ""),
    ]

    file: Any = operator.get(f"{URL}export")
    text = b"".join(file.streaming_content)
    Suppression.objects.all().delete()
    assert upload(operator, text).json() == {
        "dry_run": False,
        "rows": 2,
        "added": 2,
        "rejected": 0,
        "rejected_rows": [],
    }
    again = Suppression.objects.order_by("reason")
    assert [(one.address, one.reason, one.source) for one in again] == [
        ("=cmd@example.com", "complaint", "ops"),
        ("", "hard_bounce", "ops"),
    ]
    assert again[1].expires_at == end
    assert [line[1:] for line in trail()] == [("suppressed", "", "2 addresses from a file")]


FILE = """email,reason,expires_at,note
ada@example.com,complaint,,from the old system
Ada@Example.com,manual,,
no address,,,
bob@example.com,because,,
carol@example.com,,2020-01-01T00:00:00Z,
dave@example.com,,soon,
,,,
erin@example.com,,,,more
"""


def test_a_bad_row_does_not_hold_back_the_others(operator: APIClient, ada: User) -> None:
    answer = upload(operator, FILE).json()

    assert (answer["rows"], answer["added"], answer["rejected"]) == (7, 1, 5)
    assert [(row["line"], row["code"]) for row in answer["rejected_rows"]] == [
        (4, "invalid_email"),
        (5, "invalid_choice"),
        (6, "expires_at"),
        (7, "expires_at"),
        (9, "cells"),
    ]
    entry = Suppression.objects.get()
    assert (entry.address, entry.reason, entry.note) == (
        "ada@example.com",
        "complaint",
        "from the old system",
    )


@pytest.mark.parametrize("mark", ["\x00", "\x07", "\x7f"])
@pytest.mark.parametrize("row", ["{}ada@example.com,,", "ada@example.com,,by {}phone"])
def test_a_row_with_a_control_character_is_rejected(
    operator: APIClient, ada: User, row: str, mark: str
) -> None:
    file = f"email,reason,note\n{row.format(mark)}\nbob@example.com,,\n"
    answer = upload(operator, file).json()

    assert (answer["added"], answer["rejected"]) == (1, 1)
    (error,) = answer["rejected_rows"]
    assert (error["line"], error["code"]) == (2, "control_character")
    assert not listed(ada)


def test_a_dry_run_says_the_same_and_changes_nothing(operator: APIClient, ada: User) -> None:
    tried = upload(operator, FILE, "?dry_run=true").json()

    assert not listed(ada)
    assert trail() == []
    done = upload(operator, FILE).json()
    assert tried == {**done, "dry_run": True}
    assert upload(operator, FILE).json()["added"] == 0


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"", 400),
        (b"\n\n", 400),
        (b"reason\ncomplaint\n", 400),
        (b"email,colour\na@example.com,red\n", 400),
        (b"email,email\na@example.com,b@example.com\n", 400),
        (b"email\n\xff@example.com\n", 400),
        (b'email\n"a@example.com\n', 400),
        (b"email\n" + b"x" * 10_000_000, 413),
        (b"email\n" + b"a@b.example\n" * 100_001, 413),
    ],
)
def test_a_file_that_is_none_adds_nothing(operator: APIClient, text: bytes, status: int) -> None:
    assert_problem(upload(operator, text), status)
    assert Suppression.objects.count() == 0


def test_a_file_is_stored_with_a_statement_for_a_hundred_rows(operator: APIClient) -> None:
    text = "email\n" + "".join(f"user{number}@example.com\n" for number in range(1_000))
    with CaptureQueriesContext(connection) as captured:
        assert upload(operator, text).json()["added"] == 1_000
    inserts = [query for query in captured if "INSERT INTO users_suppression" in query["sql"]]
    assert len(inserts) == 10


def test_a_json_body_is_a_415(operator: APIClient) -> None:
    assert_problem(operator.post(f"{URL}import", {"email": "a@example.com"}, format="json"), 415)
