"""A single dead letter is replayed at most once, or discarded with a reason."""

import threading
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from apps.common.rest.problems import Problem
from apps.notifications.dead_letters import replay_one, resend, store
from apps.notifications.lifecycle.states import FINISHED, REPLAYABLE, Status
from apps.notifications.models import DeadLetter, DeadLetterAction, Notification
from apps.users import contacts
from apps.users.models import User
from tests.notifications.dead_letters.letters import (
    PATH,
    audit_trail,
    dead_letter,
    poison,
    replays_of,
)
from tests.notifications.factories import (
    SHOP,
    TEST_CALLER,
    accepted,
    person,
    row_with_status,
    template,
)
from tests.notifications.lanes import Lanes
from tests.notifications.problems import assert_problem, pointers

pytestmark = pytest.mark.django_db


def test_a_replay_sends_the_notification_as_a_new_one(
    shop: APIClient, alice: User, lanes: Lanes
) -> None:
    letter = dead_letter(alice)
    answer = shop.post(
        f"{PATH}{letter.pk}/replay",
        {"note": "the server is back"},
        format="json",
        HTTP_X_CORRELATION_ID="again-1",
    )
    assert answer.status_code == 202
    (new,) = replays_of(letter)
    got = answer.json()
    assert (got["state"], got["replayed_as"], got["woken"]) == ("replayed", str(new.pk), [])
    assert got["links"]["replayed_as"] == f"/api/v1/notifications/{new.pk}"
    assert (new.status, new.correlation_id, new.template_code) == ("pending", "again-1", "welcome")
    letter.refresh_from_db()
    assert (letter.state, letter.replayed_as) == ("replayed", new.pk)
    assert letter.settled_at is not None
    assert audit_trail() == [("replayed", "shop", "the server is back")]
    (line,) = shop.get(f"{PATH}{letter.pk}").json()["actions"]
    assert (line["action"], line["by"]) == ("replayed", "shop")
    assert line["detail"] == {"replayed_as": str(new.pk)}


def test_a_letter_is_replayed_once(shop: APIClient, alice: User) -> None:
    letter = dead_letter(alice)
    assert shop.post(f"{PATH}{letter.pk}/replay").status_code == 202
    assert_problem(shop.post(f"{PATH}{letter.pk}/replay"), 409)
    assert len(replays_of(letter)) == 1
    assert len(audit_trail()) == 1


def test_a_replay_of_a_test_notification_stays_one(alice: User) -> None:
    letter = dead_letter(alice, caller=TEST_CALLER)
    replay_one.replay(letter.pk, by="operator")
    (new,) = replays_of(letter)
    assert (new.kind, new.client) == ("test", "shop")


@pytest.mark.parametrize("status", sorted(set(Status) - REPLAYABLE))
def test_a_letter_whose_notification_is_no_longer_replayable_is_a_409(
    shop: APIClient, alice: User, status: Status
) -> None:
    letter = dead_letter(alice)
    Notification.objects.update(status=status)
    assert_problem(shop.post(f"{PATH}{letter.pk}/replay"), 409)
    letter.refresh_from_db()
    assert (letter.state, replays_of(letter), audit_trail()) == ("open", [], [])


def test_an_erased_user_is_a_422(shop: APIClient, alice: User) -> None:
    letter = dead_letter(alice)
    contacts.erase(alice.pk)
    contacts.forget_locale(alice.pk)
    assert_problem(shop.post(f"{PATH}{letter.pk}/replay"), 422)
    letter.refresh_from_db()
    assert (letter.state, replays_of(letter), audit_trail()) == ("open", [], [])


def test_a_discard_needs_a_reason(shop: APIClient, alice: User) -> None:
    letter = dead_letter(alice)
    for given in ({}, {"reason": ""}, {"reason": " "}, {"reason": 5}, {"reason": "x" * 501}):
        answer = shop.post(f"{PATH}{letter.pk}/discard", given, format="json")
        assert_problem(answer, 400)
        assert pointers(answer) == ["/reason"]
    letter.refresh_from_db()
    assert (letter.state, audit_trail()) == ("open", [])


def test_a_discarded_letter_stays_discarded(shop: APIClient, alice: User) -> None:
    letter = dead_letter(alice)
    for reason in ("over", "again"):
        answer = shop.post(f"{PATH}{letter.pk}/discard", {"reason": reason}, format="json")
        assert (answer.status_code, answer.json()["state"]) == (200, "discarded")
    assert audit_trail() == [("discarded", "shop", "over")]
    assert_problem(shop.post(f"{PATH}{letter.pk}/replay"), 409)
    assert replays_of(letter) == []


def test_a_replayed_letter_cannot_be_discarded(shop: APIClient, alice: User) -> None:
    letter = dead_letter(alice)
    shop.post(f"{PATH}{letter.pk}/replay")
    answer = shop.post(f"{PATH}{letter.pk}/discard", {"reason": "x"}, format="json")
    assert_problem(answer, 409)
    letter.refresh_from_db()
    assert letter.state == "replayed"


@pytest.mark.parametrize(
    ("given", "pointer"),
    [({"note": 5}, "/note"), ({"note": "x" * 501}, "/note"), ({"why": "x"}, "/why")],
)
def test_an_invalid_body_replays_nothing(
    shop: APIClient, alice: User, given: dict[str, Any], pointer: str
) -> None:
    letter = dead_letter(alice)
    answer = shop.post(f"{PATH}{letter.pk}/replay", given, format="json")
    assert_problem(answer, 400)
    assert pointers(answer) == [pointer]
    assert replays_of(letter) == []


@pytest.mark.parametrize("given", ["[]", "null", "5", '"x"', "{"])
def test_a_replay_body_that_is_not_an_object_is_a_400(
    shop: APIClient, alice: User, given: str
) -> None:
    letter = dead_letter(alice)
    for path in (f"{letter.pk}/replay", f"{letter.pk}/discard", "replay"):
        answer = shop.generic("POST", PATH + path, given, content_type="application/json")
        assert_problem(answer, 400)
    letter.refresh_from_db()
    assert (letter.state, audit_trail()) == ("open", [])


def test_replaying_the_notification_settles_its_dead_letter(shop: APIClient, alice: User) -> None:
    letter = dead_letter(alice)
    sent = shop.post(f"/api/v1/notifications/{letter.notification_id}/replay").json()
    letter.refresh_from_db()
    assert (letter.state, str(letter.replayed_as)) == ("replayed", sent["id"])
    assert audit_trail() == [("replayed", "shop", "")]


def test_a_letter_that_is_recorded_after_the_replay_is_not_open(alice: User) -> None:
    """The recorder may run late; an open letter would allow a second copy."""
    row = row_with_status(alice, Status.FAILED, reason="rejected")
    new = resend.replay(row, caller=SHOP).notification
    store.record_failed([row.pk])
    letter = DeadLetter.objects.get()
    assert (letter.state, letter.replayed_as) == ("replayed", new.pk)


def test_replaying_poison_wakes_the_waiting_notifications_that_it_names(
    shop: APIClient, alice: User
) -> None:
    later = timezone.now() + timedelta(minutes=10)
    waiting = accepted(alice)
    retrying = row_with_status(alice, Status.RETRYING, next_attempt_at=later)
    scheduled = accepted(alice, scheduled_for=later)
    sending = row_with_status(alice, Status.SENDING)
    sent = row_with_status(alice, Status.SENT)
    rows = [waiting, retrying, scheduled, sending, sent]
    Notification.objects.update(wake_at=later)
    letter = poison(*(row.pk for row in rows), uuid4())
    before = timezone.now()
    answer = shop.post(f"{PATH}{letter.pk}/replay")
    assert answer.status_code == 202
    got = answer.json()
    assert (got["state"], got["replayed_as"]) == ("replayed", None)
    assert got["woken"] == [str(waiting.pk), str(retrying.pk)]
    for row in rows:
        row.refresh_from_db()
        assert row.wake_at is not None
        assert (row.wake_at == later) == (row not in (waiting, retrying))
    assert waiting.wake_at is not None
    assert before <= waiting.wake_at <= timezone.now()
    assert retrying.next_attempt_at == later
    assert Notification.objects.count() == 5
    assert DeadLetterAction.objects.get().detail == {"woken": got["woken"]}


def test_poison_whose_notifications_are_finished_is_settled_without_waking(alice: User) -> None:
    letter = poison(*(row_with_status(alice, status).pk for status in sorted(FINISHED)))
    assert replay_one.replay(letter.pk, by="operator").woken == ()
    letter.refresh_from_db()
    assert letter.state == "replayed"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[" * 5000,
        "5",
        "null",
        '"x"',
        "[]",
        "[[]]",
        "[[[]]]",
        '[[["no id"], 0], {}, {}]',
        "[[[5, null, {}, []], 0], {}, {}]",
        '{"notification_id": 5}',
        '[[["0198f0c3-11aa-7c3e-8f20-5a4e6b7c8d90"], 0], {}, {}]',
    ],
)
def test_poison_without_known_ids_can_only_be_discarded(shop: APIClient, body: str) -> None:
    letter = poison(body=body)
    assert_problem(shop.post(f"{PATH}{letter.pk}/replay"), 409)
    letter.refresh_from_db()
    assert (letter.state, audit_trail()) == ("open", [])
    answer = shop.post(f"{PATH}{letter.pk}/discard", {"reason": "not ours"}, format="json")
    assert (answer.status_code, answer.json()["state"]) == (200, "discarded")


def test_poison_of_the_failed_queue_names_one_notification(alice: User) -> None:
    row = accepted(alice)
    letter = poison(body=f'{{"notification_id": "{row.pk}"}}')
    assert replay_one.replay(letter.pk, by="operator").woken == (row.pk,)


@pytest.mark.django_db(transaction=True)
def test_concurrent_replays_of_a_letter_send_once() -> None:
    template("welcome")
    letter = dead_letter(person("alice"))
    start = threading.Barrier(4)
    answers: list[str] = []

    def work() -> None:
        try:
            start.wait()
            replay_one.replay(letter.pk, by="operator")
            answers.append("replayed")
        except Problem as problem:
            answers.append(str(problem.status_code))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(answers) == ["409", "409", "409", "replayed"]
    assert len(replays_of(letter)) == 1
