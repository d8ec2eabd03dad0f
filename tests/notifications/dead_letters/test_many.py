"""A replay of many letters: each once, with a count before and with progress."""

from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.common.callers import Kind
from apps.notifications.dead_letters import replay_one
from apps.notifications.dead_letters.replay_many import replay_slice
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import DeadLetter, DeadLetterReplay, Notification
from apps.users import contacts
from apps.users.models import User
from tests.notifications.dead_letters.letters import (
    PATH,
    REPLAY,
    audit_trail,
    dead_letter,
    overdue_replays,
    poison,
    replay_progress,
    replays_of,
    run_replays_to_the_end,
    start_replay,
)
from tests.notifications.factories import TEST_CALLER, accepted, client_with
from tests.notifications.lanes import Lanes
from tests.notifications.problems import assert_problem, pointers

pytestmark = pytest.mark.django_db


def test_the_start_of_a_replay_answers_with_the_count(shop: APIClient, alice: User) -> None:
    for _ in range(3):
        dead_letter(alice)
    dead_letter(alice, reason="rejected")
    replay = start_replay(shop, reason="attempts_exhausted", rate_per_second=5, note="fixed")
    assert (replay["state"], replay["matched"], replay["remaining"]) == ("running", 3, 3)
    assert (replay["replayed"], replay["refused"], replay["refusals"]) == (0, 0, [])
    assert (replay["rate_per_second"], replay["by"], replay["note"]) == (5, "shop", "fixed")
    assert replay["filter"] == {"reason": "attempts_exhausted"}
    itself = f"/api/v1/dead-letters/replays/{replay['id']}"
    assert replay["links"] == {"self": itself, "cancel": f"{itself}/cancel"}
    assert replay_progress(shop, replay) == replay
    assert shop.get(f"{PATH}replays/").json()["results"] == [replay]
    assert audit_trail() == [("replay_started", "shop", "fixed")]
    assert Notification.objects.filter(replay_of__isnull=False).count() == 0


def test_a_dry_run_counts_and_starts_nothing(shop: APIClient, alice: User) -> None:
    dead_letter(alice)
    dead_letter(alice, provider="sendgrid")
    answer = shop.post(REPLAY, {"provider": "sendgrid", "dry_run": True}, format="json")
    assert (answer.status_code, answer.json()) == (200, {"matched": 1})
    assert (DeadLetterReplay.objects.count(), audit_trail()) == (0, [])


def test_every_matching_letter_is_replayed_once_oldest_first(
    shop: APIClient, alice: User, lanes: Lanes
) -> None:
    letters = [dead_letter(alice) for _ in range(5)]
    other = dead_letter(alice, reason="rejected")
    replay = start_replay(shop, reason="attempts_exhausted", note="fixed")
    later = dead_letter(alice)
    run_replays_to_the_end()
    got = replay_progress(shop, replay)
    assert (got["state"], got["replayed"], got["refused"]) == ("finished", 5, 0)
    assert (got["remaining"], got["ended_at"] is None) == (0, False)
    news = [replays_of(letter) for letter in letters]
    assert [len(rows) for rows in news] == [1] * 5
    assert [rows[0].pk for rows in news] == sorted(rows[0].pk for rows in news)
    assert replays_of(other) == replays_of(later) == []
    for letter in letters:
        letter.refresh_from_db()
        assert letter.state == "replayed"
        assert audit_trail(letter_id=letter.pk) == [("replayed", "shop", "fixed")]
    (line,) = shop.get(f"{PATH}{letters[0].pk}").json()["actions"]
    assert line["replay_id"] == replay["id"]


def test_replayed_notifications_have_the_correlation_id_of_the_start(
    shop: APIClient, alice: User
) -> None:
    letter = dead_letter(alice)
    shop.post(REPLAY, {}, format="json", HTTP_X_CORRELATION_ID="repair-7")
    run_replays_to_the_end()
    (new,) = replays_of(letter)
    assert new.correlation_id == "repair-7"


def test_letters_that_cannot_be_replayed_are_counted_by_reason_and_stay_open(
    shop: APIClient, alice: User, bob: User
) -> None:
    good, erased, saved, nameless = (
        dead_letter(alice),
        dead_letter(bob),
        dead_letter(alice),
        poison("x"),
    )
    waiting = accepted(alice)
    named = poison(waiting.pk)
    Notification.objects.filter(dead_letter=saved).update(status=Status.DELIVERED)
    contacts.erase(bob.pk)
    contacts.forget_locale(bob.pk)
    replay = start_replay(shop)
    run_replays_to_the_end()
    got = replay_progress(shop, replay)
    assert (got["state"], got["matched"], got["replayed"]) == ("finished", 5, 2)
    assert (got["refused"], got["remaining"]) == (3, 0)
    assert got["refusals"] == [
        {"detail": "A notification that is delivered cannot be replayed.", "count": 1},
        {"detail": "The user no longer exists.", "count": 1},
        {
            "detail": "This message names no notification, so it can only be discarded.",
            "count": 1,
        },
    ]
    states = dict(DeadLetter.objects.values_list("pk", "state"))
    assert [states[letter.pk] for letter in (good, named)] == ["replayed"] * 2
    assert [states[letter.pk] for letter in (erased, saved, nameless)] == ["open"] * 3
    assert audit_trail(letter_id=erased.pk) == [
        ("replay_refused", "shop", "The user no longer exists.")
    ]


def test_a_replay_without_matches_is_finished_at_once(shop: APIClient) -> None:
    replay = start_replay(shop, channel="push")
    assert (replay["state"], replay["matched"], replay["remaining"]) == ("finished", 0, 0)
    assert_problem(shop.post(replay["links"]["cancel"]), 409)


def test_a_cancelled_replay_replays_no_more_letters(shop: APIClient, alice: User) -> None:
    letters = [dead_letter(alice) for _ in range(3)]
    replay = start_replay(shop, rate_per_second=1)
    assert replay_slice()
    for _ in range(2):
        answer = shop.post(replay["links"]["cancel"])
        assert answer.status_code == 200
        got = answer.json()
        assert (got["state"], got["replayed"], got["remaining"]) == ("cancelled", 1, 2)
    overdue_replays()
    assert not replay_slice()
    assert [len(replays_of(letter)) for letter in letters] == [1, 0, 0]
    assert audit_trail(letter_id=None) == [
        ("replay_started", "shop", ""),
        ("replay_cancelled", "shop", ""),
    ]


def test_letters_settled_after_the_start_are_skipped(shop: APIClient, alice: User) -> None:
    first, second, third = dead_letter(alice), dead_letter(alice), dead_letter(alice)
    replay = start_replay(shop)
    replay_one.replay(first.pk, by="bob")
    replay_one.discard(second.pk, by="bob", reason="over")
    assert replay_progress(shop, replay)["remaining"] == 1
    run_replays_to_the_end()
    assert replay_progress(shop, replay)["replayed"] == 1
    assert [len(replays_of(letter)) for letter in (first, second, third)] == [1, 0, 1]


def test_two_replays_of_the_same_letters_send_once(shop: APIClient, alice: User) -> None:
    letters = [dead_letter(alice) for _ in range(4)]
    replays = [start_replay(shop), start_replay(shop, channel="email")]
    run_replays_to_the_end()
    assert [len(replays_of(letter)) for letter in letters] == [1] * 4
    got = [replay_progress(shop, replay) for replay in replays]
    assert [one["state"] for one in got] == ["finished"] * 2
    assert sum(one["replayed"] for one in got) == 4


def test_a_test_key_replays_test_notifications_only(shop: APIClient, alice: User) -> None:
    live, tried = dead_letter(alice), dead_letter(alice, caller=TEST_CALLER)
    testing_client = client_with(client="shop", kind=Kind.TEST)
    replay = start_replay(testing_client)
    assert replay["matched"] == 1
    assert_problem(shop.get(replay["links"]["self"]), 404)
    assert_problem(shop.post(replay["links"]["cancel"]), 404)
    assert shop.get(f"{PATH}replays/").json()["results"] == []
    run_replays_to_the_end()
    assert [len(replays_of(letter)) for letter in (live, tried)] == [0, 1]
    assert replays_of(tried)[0].kind == "test"


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"rate_per_second": 0}, "/rate_per_second"),
        ({"rate_per_second": 1001}, "/rate_per_second"),
        ({"rate_per_second": "5"}, "/rate_per_second"),
        ({"rate_per_second": True}, "/rate_per_second"),
        ({"rate_per_second": None}, "/rate_per_second"),
        ({"channel": "pigeon"}, "/channel"),
        ({"channel": ["email"]}, "/channel"),
        ({"reason": 5}, "/reason"),
        ({"reason": None}, "/reason"),
        ({"since": "yesterday"}, "/since"),
        ({"since": 5}, "/since"),
        ({"until": {}}, "/until"),
        ({"dry_run": "yes"}, "/dry_run"),
        ({"note": "x" * 501}, "/note"),
        ({"state": "all"}, "/state"),
    ],
)
def test_an_invalid_body_starts_no_replay(
    shop: APIClient, given: dict[str, Any], pointer: str
) -> None:
    answer = shop.post(REPLAY, given, format="json")
    assert_problem(answer, 400)
    assert pointers(answer) == [pointer]
    assert (DeadLetterReplay.objects.count(), audit_trail()) == (0, [])


def test_time_filters_work_for_a_replay_as_for_the_list(shop: APIClient, alice: User) -> None:
    old, new = dead_letter(alice), dead_letter(alice)
    DeadLetter.objects.filter(pk=old.pk).update(recorded_at=old.recorded_at - timedelta(seconds=20))
    replay = start_replay(shop, since=new.recorded_at.isoformat(), channel="email")
    assert replay["matched"] == 1
    run_replays_to_the_end()
    assert [len(replays_of(letter)) for letter in (old, new)] == [0, 1]
