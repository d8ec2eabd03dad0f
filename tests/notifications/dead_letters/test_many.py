"""A replay of many letters: each once, at a rate, with a count before and with progress."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from apps.common.callers import Kind
from apps.notifications.dead_letters import replay_many, replay_one
from apps.notifications.dead_letters.filters import Filter
from apps.notifications.dead_letters.replay_many import SLICE_LETTERS, replay_slice
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import DeadLetter, DeadLetterReplay, Notification
from apps.notifications.scheduler.loop import schedule_until
from apps.users import contacts
from apps.users.models import User
from tests.notifications.cast import (
    TEST_CALLER,
    Lanes,
    accepted,
    assert_problem,
    client_with,
    person,
    pointers,
    template,
)
from tests.notifications.dead_letters.letters import (
    PATH,
    dead,
    overdue_replays,
    poison,
    replays_of,
    trail,
)

pytestmark = pytest.mark.django_db
REPLAY = f"{PATH}replay"


def started(caller: APIClient, **given: Any) -> dict[str, Any]:
    answer = caller.post(REPLAY, given, format="json")
    assert answer.status_code == 202, answer.content
    return dict(answer.json())


def progress(caller: APIClient, replay: dict[str, Any]) -> dict[str, Any]:
    answer = caller.get(replay["links"]["self"])
    assert answer.status_code == 200, answer.content
    return dict(answer.json())


def run_to_the_end() -> None:
    for _ in range(100):
        overdue_replays()
        if not replay_slice():
            return
    raise AssertionError("the replay never ends")


def test_the_start_of_a_replay_answers_with_the_count(shop: APIClient, alice: User) -> None:
    for _ in range(3):
        dead(alice)
    dead(alice, reason="rejected")
    replay = started(shop, reason="attempts_exhausted", rate_per_second=5, note="fixed")
    assert (replay["state"], replay["matched"], replay["remaining"]) == ("running", 3, 3)
    assert (replay["replayed"], replay["refused"], replay["refusals"]) == (0, 0, [])
    assert (replay["rate_per_second"], replay["by"], replay["note"]) == (5, "shop", "fixed")
    assert replay["filter"] == {"reason": "attempts_exhausted"}
    itself = f"/api/v1/dead-letters/replays/{replay['id']}"
    assert replay["links"] == {"self": itself, "cancel": f"{itself}/cancel"}
    assert progress(shop, replay) == replay
    assert shop.get(f"{PATH}replays/").json()["results"] == [replay]
    assert trail() == [("replay_started", "shop", "fixed")]
    assert Notification.objects.filter(replay_of__isnull=False).count() == 0


def test_a_dry_run_counts_and_starts_nothing(shop: APIClient, alice: User) -> None:
    dead(alice)
    dead(alice, provider="sendgrid")
    answer = shop.post(REPLAY, {"provider": "sendgrid", "dry_run": True}, format="json")
    assert (answer.status_code, answer.json()) == (200, {"matched": 1})
    assert (DeadLetterReplay.objects.count(), trail()) == (0, [])


def test_every_matching_letter_is_replayed_once_oldest_first(
    shop: APIClient, alice: User, lanes: Lanes
) -> None:
    letters = [dead(alice) for _ in range(5)]
    other = dead(alice, reason="rejected")
    replay = started(shop, reason="attempts_exhausted", note="fixed")
    later = dead(alice)
    run_to_the_end()
    got = progress(shop, replay)
    assert (got["state"], got["replayed"], got["refused"]) == ("finished", 5, 0)
    assert (got["remaining"], got["ended_at"] is None) == (0, False)
    news = [replays_of(letter) for letter in letters]
    assert [len(rows) for rows in news] == [1] * 5
    assert [rows[0].pk for rows in news] == sorted(rows[0].pk for rows in news)
    assert replays_of(other) == replays_of(later) == []
    for letter in letters:
        letter.refresh_from_db()
        assert letter.state == "replayed"
        assert trail(letter_id=letter.pk) == [("replayed", "shop", "fixed")]
    (line,) = shop.get(f"{PATH}{letters[0].pk}").json()["actions"]
    assert line["replay_id"] == replay["id"]


def test_replayed_notifications_have_the_correlation_id_of_the_start(
    shop: APIClient, alice: User
) -> None:
    letter = dead(alice)
    shop.post(REPLAY, {}, format="json", HTTP_X_CORRELATION_ID="repair-7")
    run_to_the_end()
    (new,) = replays_of(letter)
    assert new.correlation_id == "repair-7"


def test_letters_that_cannot_be_replayed_are_counted_by_reason_and_stay_open(
    shop: APIClient, alice: User, bob: User
) -> None:
    good, erased, saved, nameless = dead(alice), dead(bob), dead(alice), poison("x")
    waiting = accepted(alice)
    named = poison(waiting.pk)
    Notification.objects.filter(dead_letter=saved).update(status=Status.DELIVERED)
    contacts.erase(bob.pk)
    contacts.forget_locale(bob.pk)
    replay = started(shop)
    run_to_the_end()
    got = progress(shop, replay)
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
    assert trail(letter_id=erased.pk) == [("replay_refused", "shop", "The user no longer exists.")]


def test_a_replay_without_matches_is_finished_at_once(shop: APIClient) -> None:
    replay = started(shop, channel="push")
    assert (replay["state"], replay["matched"], replay["remaining"]) == ("finished", 0, 0)
    assert_problem(shop.post(replay["links"]["cancel"]), 409)


def at(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def test_a_replay_keeps_its_rate(alice: User) -> None:
    for _ in range(12):
        dead(alice)
    replay = replay_many.start(Filter(), kind="", by="operator", rate_per_second=10)
    begun = timezone.now()
    assert replay_slice()
    assert not replay_slice()
    DeadLetterReplay.objects.update(next_at=timezone.now() - at(0.35))
    assert replay_slice()
    replay.refresh_from_db()
    # One at the start, the one that was due, and three for 0.35 s at ten a second.
    assert replay.replayed == 1 + 4
    assert begun <= replay.next_at <= timezone.now() + at(0.1)


def test_a_pause_is_not_followed_by_a_burst(alice: User) -> None:
    for _ in range(9):
        dead(alice)
    replay = replay_many.start(Filter(), kind="", by="operator", rate_per_second=3)
    DeadLetterReplay.objects.update(next_at=timezone.now() - timedelta(hours=1))
    assert replay_slice()
    replay.refresh_from_db()
    assert replay.replayed == 4
    assert not replay_slice()


def test_a_slice_is_bounded(alice: User) -> None:
    for _ in range(SLICE_LETTERS + 1):
        dead(alice, provider="")
    replay = replay_many.start(Filter(), kind="", by="operator", rate_per_second=1000)
    overdue_replays()
    assert replay_slice()
    replay.refresh_from_db()
    assert (replay.replayed, replay.state) == (SLICE_LETTERS, "running")
    assert replay_many.remaining(replay) == 1
    assert replay_slice()
    replay.refresh_from_db()
    assert (replay.replayed, replay.state) == (SLICE_LETTERS + 1, "finished")


def test_a_cancelled_replay_replays_no_more_letters(shop: APIClient, alice: User) -> None:
    letters = [dead(alice) for _ in range(3)]
    replay = started(shop, rate_per_second=1)
    assert replay_slice()
    for _ in range(2):
        answer = shop.post(replay["links"]["cancel"])
        assert answer.status_code == 200
        got = answer.json()
        assert (got["state"], got["replayed"], got["remaining"]) == ("cancelled", 1, 2)
    overdue_replays()
    assert not replay_slice()
    assert [len(replays_of(letter)) for letter in letters] == [1, 0, 0]
    assert trail(letter_id=None) == [
        ("replay_started", "shop", ""),
        ("replay_cancelled", "shop", ""),
    ]


def test_letters_settled_after_the_start_are_skipped(shop: APIClient, alice: User) -> None:
    first, second, third = dead(alice), dead(alice), dead(alice)
    replay = started(shop)
    replay_one.replay(first.pk, by="bob")
    replay_one.discard(second.pk, by="bob", reason="over")
    assert progress(shop, replay)["remaining"] == 1
    run_to_the_end()
    assert progress(shop, replay)["replayed"] == 1
    assert [len(replays_of(letter)) for letter in (first, second, third)] == [1, 0, 1]


def test_two_replays_of_the_same_letters_send_once(shop: APIClient, alice: User) -> None:
    letters = [dead(alice) for _ in range(4)]
    replays = [started(shop), started(shop, channel="email")]
    run_to_the_end()
    assert [len(replays_of(letter)) for letter in letters] == [1] * 4
    got = [progress(shop, replay) for replay in replays]
    assert [one["state"] for one in got] == ["finished"] * 2
    assert sum(one["replayed"] for one in got) == 4


def test_an_error_in_a_slice_rolls_all_of_it_back(
    shop: APIClient, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill has the same effect: the slice is rolled back, and the next process does it again."""
    letters = [dead(alice) for _ in range(2)]
    replay = started(shop)
    overdue_replays()

    def dies(*_: object, **__: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(DeadLetterReplay, "save", dies)
        with pytest.raises(RuntimeError):
            replay_slice()
    assert progress(shop, replay) == replay
    assert [len(replays_of(letter)) for letter in letters] == [0, 0]
    run_to_the_end()
    assert [len(replays_of(letter)) for letter in letters] == [1, 1]


def test_a_test_key_replays_test_notifications_only(shop: APIClient, alice: User) -> None:
    live, tried = dead(alice), dead(alice, caller=TEST_CALLER)
    testing_client = client_with(client="shop", kind=Kind.TEST)
    replay = started(testing_client)
    assert replay["matched"] == 1
    assert_problem(shop.get(replay["links"]["self"]), 404)
    assert_problem(shop.post(replay["links"]["cancel"]), 404)
    assert shop.get(f"{PATH}replays/").json()["results"] == []
    run_to_the_end()
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
    assert (DeadLetterReplay.objects.count(), trail()) == (0, [])


def test_time_filters_work_for_a_replay_as_for_the_list(shop: APIClient, alice: User) -> None:
    old, new = dead(alice), dead(alice)
    DeadLetter.objects.filter(pk=old.pk).update(recorded_at=old.recorded_at - at(20))
    replay = started(shop, since=new.recorded_at.isoformat(), channel="email")
    assert replay["matched"] == 1
    run_to_the_end()
    assert [len(replays_of(letter)) for letter in (old, new)] == [0, 1]


def test_a_run_without_work_costs_one_query(db: None, django_assert_num_queries: Any) -> None:
    # The query for a due replay.
    with django_assert_num_queries(1):
        assert not replay_slice()


# SQLite takes 999 values in one statement, so beyond 28 rows Django writes two inserts.
@pytest.mark.parametrize("count", [1, 28])
def test_a_slice_costs_the_same_number_of_queries_whatever_its_size(
    alice: User, count: int, django_assert_num_queries: Any
) -> None:
    for _ in range(count):
        dead(alice, provider="")
    replay_many.start(Filter(), kind="", by="operator", rate_per_second=1000)
    overdue_replays()
    contacts.known_locales({alice.pk})
    # 1 find one that is due, 2 savepoint, 3 lock it, 4 lock letters, 5 their notifications,
    # 6 which of them may have arrived, 7 insert new ones, 8 update letters, 9 insert the audit
    # trail, 10 update the progress, 11 release.
    with django_assert_num_queries(11):
        assert replay_slice()


@pytest.mark.django_db(transaction=True)
def test_several_schedulers_replay_each_letter_once() -> None:
    template("welcome")
    user = person("alice")
    letters = [dead(user, provider="") for _ in range(60)]
    replays = [
        replay_many.start(Filter(), kind="", by="operator", rate_per_second=1000) for _ in "ab"
    ]
    stop = threading.Event()

    def schedule() -> None:
        try:
            schedule_until(stop, work=[replay_slice])
        finally:
            connection.close()

    threads = [threading.Thread(target=schedule) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(200):
        if not DeadLetterReplay.objects.filter(state="running").exists():
            break
        stop.wait(0.1)
    stop.set()
    for thread in threads:
        thread.join(timeout=60)
    for replay in replays:
        replay.refresh_from_db()
    assert sum(replay.replayed for replay in replays) == 60
    assert [len(replays_of(letter)) for letter in letters] == [1] * 60


@pytest.mark.django_db(transaction=True)
def test_a_job_that_fails_stops_neither_the_sweep_nor_other_jobs() -> None:
    stop, done = threading.Event(), []

    def broken() -> bool:
        raise RuntimeError

    def works() -> bool:
        done.append(1)
        if len(done) == 3:
            stop.set()
        return True

    schedule_until(stop, work=[broken, works])
    assert len(done) == 3
