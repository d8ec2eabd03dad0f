"""A repeated key and body get the first answer again; another body is refused."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks
from rest_framework.test import APIClient

from apps.common.callers import Kind
from apps.common.rest.problems import Problem
from apps.notifications.intake import accept, digests
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notification
from apps.templates import versions
from apps.templates.content import check
from apps.users import api_keys
from apps.users.models import User
from tests.notifications.factories import (
    SHOP,
    a_request,
    body,
    client_with,
    person,
    row_with_status,
    template,
)
from tests.notifications.problems import assert_problem, pointers

SEND = "/api/v1/notifications/"

pytestmark = pytest.mark.django_db


def test_the_same_request_gives_the_first_answer_again(shop: APIClient, alice: User) -> None:
    asked = body(alice, request_id="order-42")
    first = shop.post(SEND, asked, format="json")
    assert first.status_code == 202
    assert "Idempotency-Replayed" not in first
    again = shop.post(SEND, asked, format="json")
    assert again.status_code == 202
    assert again["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()
    assert Notification.objects.count() == 1


def test_the_repeated_answer_is_the_first_one_even_if_the_status_changed(
    shop: APIClient, alice: User
) -> None:
    asked = body(alice, request_id="order-42")
    first = shop.post(SEND, asked, format="json").json()
    Notification.objects.update(status=Status.DELIVERED, updated_at=timezone.now())
    assert shop.post(SEND, asked, format="json").json() == first


def test_a_schedule_is_answered_as_scheduled_even_when_it_has_run(
    shop: APIClient, alice: User
) -> None:
    at = (timezone.now() + timedelta(hours=1)).isoformat()
    asked = body(alice, request_id="later", scheduled_for=at)
    first = shop.post(SEND, asked, format="json").json()
    assert first["status"] == "scheduled"
    Notification.objects.update(status=Status.SENT)
    assert shop.post(SEND, asked, format="json").json() == first


def test_the_header_and_the_field_are_the_same_key(shop: APIClient, alice: User) -> None:
    first = shop.post(SEND, body(alice), format="json", HTTP_IDEMPOTENCY_KEY="order-42")
    assert first.json()["request_id"] == "order-42"
    again = shop.post(SEND, body(alice, request_id="order-42"), format="json")
    assert again.json()["id"] == first.json()["id"]
    both = body(alice, request_id="order-42")
    third = shop.post(SEND, both, format="json", HTTP_IDEMPOTENCY_KEY="order-42")
    assert third.json()["id"] == first.json()["id"]


@pytest.mark.parametrize(
    "change",
    [
        {"variables": {"name": "Bob", "link": "x"}},
        {"priority": 6},
        {"metadata": {"order": 43}},
        {"language": "de"},
        {"expires_at": "2030-01-01T00:00:00Z"},
        {"notification_type": "push", "template_code": "parcel"},
    ],
)
def test_the_same_key_with_another_body_is_a_422(
    shop: APIClient, alice: User, change: dict[str, Any]
) -> None:
    shop.post(SEND, body(alice, request_id="order-42"), format="json")
    answer = shop.post(SEND, body(alice, request_id="order-42", **change), format="json")
    assert assert_problem(answer, 422)["code"] == "idempotency_key_reused"
    assert pointers(answer) == ["/request_id"]
    assert Notification.objects.count() == 1


def test_another_user_under_the_same_key_is_a_422(shop: APIClient, alice: User, bob: User) -> None:
    shop.post(SEND, body(alice, request_id="order-42"), format="json")
    assert_problem(shop.post(SEND, body(bob, request_id="order-42"), format="json"), 422)


def test_defaults_written_out_are_the_same_body(shop: APIClient, alice: User) -> None:
    first = shop.post(SEND, body(alice, request_id="a"), format="json")
    written = body(
        alice,
        request_id="a",
        priority=5,
        metadata={},
        scheduled_for=None,
        expires_at=None,
        language=None,
    )
    assert shop.post(SEND, written, format="json").json()["id"] == first.json()["id"]


def test_the_order_of_json_keys_and_the_idempotency_key_do_not_matter(alice: User) -> None:
    one = a_request(alice, variables={"a": 1, "b": {"c": 2, "d": 3}}, request_id="x")
    two = a_request(alice, variables={"b": {"d": 3, "c": 2}, "a": 1}, request_id="y")
    other = a_request(alice, variables={"b": {"d": 3, "c": 4}, "a": 1}, request_id="x")
    assert digests.body_digest(one) == digests.body_digest(two)
    assert digests.body_digest(one) != digests.body_digest(other)
    assert len(digests.body_digest(one)) == 32


def test_the_same_moment_in_another_zone_is_the_same_body(shop: APIClient, alice: User) -> None:
    utc = body(alice, request_id="a", scheduled_for="2027-01-01T12:00:00Z")
    first = shop.post(SEND, utc, format="json")
    assert first.json()["scheduled_for"] == "2027-01-01T12:00:00Z"
    berlin = {**utc, "scheduled_for": "2027-01-01T13:00:00+01:00"}
    assert shop.post(SEND, berlin, format="json").json() == first.json()


def test_a_repeat_after_the_deadline_still_gets_the_first_answer(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = timezone.now() + timedelta(minutes=5)
    caller = client_with()
    asked = body(alice, request_id="a", expires_at=soon.isoformat())
    first = caller.post(SEND, asked, format="json")
    assert first.status_code == 202
    monkeypatch.setattr(timezone, "now", lambda: soon + timedelta(seconds=1))
    late = caller.post(SEND, {**asked, "request_id": "b"}, format="json")
    assert late.status_code == 422
    again = caller.post(SEND, asked, format="json")
    assert again.json() == first.json()
    assert again["Idempotency-Replayed"] == "true"


def test_a_replay_with_a_key_is_made_once(shop: APIClient, alice: User, bob: User) -> None:
    row, other = row_with_status(alice, Status.BOUNCED), row_with_status(bob, Status.BOUNCED)
    path = f"/api/v1/notifications/{row.pk}/replay"

    first = shop.post(path, HTTP_IDEMPOTENCY_KEY="again-1")
    second = shop.post(path, HTTP_IDEMPOTENCY_KEY="again-1")

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    assert first.json()["request_id"] == "again-1"
    assert (first.get("Idempotency-Replayed"), second["Idempotency-Replayed"]) == (None, "true")
    assert Notification.objects.filter(replay_of=row.pk).count() == 1
    # The key cannot be used for any other request.
    foreign = shop.post(f"/api/v1/notifications/{other.pk}/replay", HTTP_IDEMPOTENCY_KEY="again-1")
    assert assert_problem(foreign, 422)["code"] == "idempotency_key_reused"
    send = shop.post(SEND, body(alice, request_id="again-1"), format="json")
    assert assert_problem(send, 422)["code"] == "idempotency_key_reused"
    assert Notification.objects.count() == 3


def test_the_key_of_a_request_cannot_be_used_for_a_replay(shop: APIClient, alice: User) -> None:
    row = row_with_status(alice, Status.BOUNCED)
    shop.post(SEND, body(alice, request_id="order-9"), format="json")
    answer = shop.post(f"/api/v1/notifications/{row.pk}/replay", HTTP_IDEMPOTENCY_KEY="order-9")
    assert assert_problem(answer, 422)["code"] == "idempotency_key_reused"
    assert Notification.objects.filter(replay_of=row.pk).count() == 0


def test_a_repeat_after_the_user_was_erased_is_a_422(
    shop: APIClient,
    alice: User,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """Erasure deletes the key as well, so the repeat is a new request for an erased user."""
    asked = body(alice, request_id="a")
    shop.post(SEND, asked, format="json")
    with django_capture_on_commit_callbacks(execute=True):
        shop.delete(f"/api/v1/users/{alice.pk}")
    assert_problem(shop.post(SEND, asked, format="json"), 422)
    assert Notification.objects.count() == 1


def test_a_repeat_after_a_change_of_the_template_still_gets_the_first_answer(
    shop: APIClient, alice: User
) -> None:
    asked = body(alice, request_id="a")
    first = shop.post(SEND, asked, format="json")
    versions.write(
        code="welcome",
        content=check("email", {"subject": "{{ other }}", "body": "{{ other }}"}),
        language=None,
        author="tests",
        changes={},
    )
    again = shop.post(SEND, asked, format="json")
    assert again.status_code == 202
    assert again.json() == first.json()
    fresh = shop.post(SEND, {**asked, "request_id": "b"}, format="json")
    assert pointers(fresh) == ["/variables/other"]


def test_a_refused_request_does_not_use_its_key(shop: APIClient, alice: User) -> None:
    assert_problem(shop.post(SEND, body(alice, request_id="a", variables={}), format="json"), 422)
    assert Notification.objects.count() == 0
    assert shop.post(SEND, body(alice, request_id="a"), format="json").status_code == 202


def test_without_a_key_nothing_is_deduplicated(shop: APIClient, alice: User) -> None:
    ids = {shop.post(SEND, body(alice), format="json").json()["id"] for _ in range(3)}
    assert len(ids) == 3


def test_a_key_belongs_to_one_client_and_kind(alice: User) -> None:
    asked = body(alice, request_id="order-42")
    callers = [
        client_with(client="shop"),
        client_with(client="forum"),
        client_with(client="shop", kind=Kind.TEST),
    ]
    ids = {caller.post(SEND, asked, format="json").json()["id"] for caller in callers}
    assert len(ids) == 3
    rotated = client_with(client="shop")
    assert rotated.post(SEND, asked, format="json")["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("key", ["x" * 255, "ключ 🔑", "a/b?c=d#e", " spaced "])
def test_any_text_up_to_255_characters_is_a_key(shop: APIClient, alice: User, key: str) -> None:
    first = shop.post(SEND, body(alice, request_id=key), format="json")
    assert first.json()["request_id"] == key
    again = shop.post(SEND, body(alice, request_id=key), format="json")
    assert again.json() == first.json()


@pytest.mark.django_db(transaction=True)
def test_twenty_concurrent_requests_make_one_row_and_all_get_its_id() -> None:
    template("welcome")
    user = person("alice")
    _, plain = api_keys.create(name="shop")
    key = {"HTTP_AUTHORIZATION": f"Api-Key {plain}"}
    asked = body(user, request_id="order-42")
    start = threading.Barrier(20)
    answers: list[Any] = []

    def send() -> None:
        try:
            mine = APIClient(raise_request_exception=False)
            mine.credentials(**key)
            start.wait()
            answers.append(mine.post(SEND, asked, format="json"))
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    row = Notification.objects.get()
    assert [answer.status_code for answer in answers] == [202] * 20
    assert {answer.json()["id"] for answer in answers} == {str(row.pk)}
    replayed = [answer.get("Idempotency-Replayed") for answer in answers]
    assert sorted(map(str, replayed)) == ["None"] + ["true"] * 19


class Vanishing:
    """Deletes the conflicting row over another connection, right after an insert."""

    def __init__(self, *, times: int, before: Callable[[], object] = lambda: None) -> None:
        self.left = times
        self._before = before

    def __call__(self, execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
        if "ON CONFLICT" not in sql or not self.left:
            return execute(sql, params, many, context)
        self.left -= 1
        _second_application(self._before)
        result = execute(sql, params, many, context)
        _second_application(Notification.objects.all().delete)
        return result


def _second_application(work: Callable[[], object]) -> None:
    """Run a callable over a connection of its own."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(timeout=30)
    assert not thread.is_alive()


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("together", [1, 3])
def test_a_key_whose_row_is_deleted_during_the_insert_is_stored_again(together: int) -> None:
    template("welcome")
    user = person("alice")
    asked = [
        a_request(user, request_id="order-42"),
        *(a_request(user) for _ in range(together - 1)),
    ]
    first = accept.accept(asked[0], caller=SHOP).notification
    with connection.execute_wrapper(Vanishing(times=1)):
        answers = accept.accept_all(asked, caller=SHOP)
    stored = set(Notification.objects.values_list("pk", flat=True))
    shown = [answer.notification.pk for answer in answers if isinstance(answer, accept.Accepted)]
    assert set(shown) == stored
    assert (len(shown), first.pk in stored) == (together, False)


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_a_key_whose_rows_keep_appearing_and_disappearing_is_a_503() -> None:
    template("welcome")
    user = person("alice")
    asked = a_request(user, request_id="order-42")

    def come() -> None:
        accept.accept(asked, caller=SHOP)

    come()
    keeper = Vanishing(times=100, before=come)
    with connection.execute_wrapper(keeper), pytest.raises(Problem) as refusal:
        accept.accept_all([asked, a_request(user)], caller=SHOP)
    assert refusal.value.status_code == 503
    assert keeper.left == 100 - accept.INSERTS_MAX
    assert Notification.objects.count() == 0
