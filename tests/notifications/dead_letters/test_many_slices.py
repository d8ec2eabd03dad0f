"""A replay runs in slices: at its rate, all or nothing, and each letter once."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from apps.notifications.dead_letters import replay_many
from apps.notifications.dead_letters.filters import Filter
from apps.notifications.dead_letters.replay_many import SLICE_LETTERS, replay_slice
from apps.notifications.models import DeadLetterReplay
from apps.notifications.scheduler.loop import schedule_until
from apps.users import contacts
from apps.users.models import User
from tests.notifications.dead_letters.letters import (
    dead_letter,
    overdue_replays,
    replay_progress,
    replays_of,
    run_replays_to_the_end,
    start_replay,
)
from tests.notifications.factories import SEPARATE_COUNTS, person, template

pytestmark = pytest.mark.django_db


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clock: on a busy machine the next letter may be due before the next line runs."""
    at = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: at)


@pytest.mark.usefixtures("still")
def test_a_replay_keeps_its_rate(alice: User) -> None:
    for _ in range(12):
        dead_letter(alice)
    replay = replay_many.start(Filter(), kind="", by="operator", rate_per_second=10)
    begun = timezone.now()
    assert replay_slice()
    assert not replay_slice()
    DeadLetterReplay.objects.update(next_at=timezone.now() - timedelta(seconds=0.35))
    assert replay_slice()
    replay.refresh_from_db()
    # One at the start, the one that was due, and three for 0.35 s at ten a second.
    assert replay.replayed == 1 + 4
    assert begun <= replay.next_at <= timezone.now() + timedelta(seconds=0.1)


@pytest.mark.usefixtures("still")
def test_a_pause_is_not_followed_by_a_burst(alice: User) -> None:
    for _ in range(9):
        dead_letter(alice)
    replay = replay_many.start(Filter(), kind="", by="operator", rate_per_second=3)
    DeadLetterReplay.objects.update(next_at=timezone.now() - timedelta(hours=1))
    assert replay_slice()
    replay.refresh_from_db()
    assert replay.replayed == 4
    assert not replay_slice()


def test_a_slice_is_bounded(alice: User) -> None:
    for _ in range(SLICE_LETTERS + 1):
        dead_letter(alice, provider="")
    replay = replay_many.start(Filter(), kind="", by="operator", rate_per_second=1000)
    overdue_replays()
    assert replay_slice()
    replay.refresh_from_db()
    assert (replay.replayed, replay.state) == (SLICE_LETTERS, "running")
    assert replay_many.remaining(replay) == 1
    assert replay_slice()
    replay.refresh_from_db()
    assert (replay.replayed, replay.state) == (SLICE_LETTERS + 1, "finished")


def test_an_error_in_a_slice_rolls_all_of_it_back(
    shop: APIClient, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill has the same effect: the slice is rolled back, and the next process does it again."""
    letters = [dead_letter(alice) for _ in range(2)]
    replay = start_replay(shop)
    overdue_replays()

    def dies(*_: object, **__: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(DeadLetterReplay, "save", dies)
        with pytest.raises(RuntimeError):
            replay_slice()
    assert replay_progress(shop, replay) == replay
    assert [len(replays_of(letter)) for letter in letters] == [0, 0]
    run_replays_to_the_end()
    assert [len(replays_of(letter)) for letter in letters] == [1, 1]


def test_a_run_without_work_costs_one_query(db: None, django_assert_num_queries: Any) -> None:
    # The query for a due replay.
    with django_assert_num_queries(1):
        assert not replay_slice()


# SQLite takes 999 values in one statement, so beyond 27 rows Django writes two inserts.
@pytest.mark.parametrize("count", [1, 27])
def test_a_slice_costs_the_same_number_of_queries_whatever_its_size(
    alice: User, count: int, django_assert_num_queries: Any
) -> None:
    for _ in range(count):
        dead_letter(alice, provider="")
    replay_many.start(Filter(), kind="", by="operator", rate_per_second=1000)
    overdue_replays()
    contacts.known_locales({alice.pk})
    # 1 find one that is due, 2 savepoint, 3 lock it, 4 lock letters, 5 their notifications,
    # 6 which of them may have arrived, 7 insert new ones and their counts, 8 update letters,
    # 9 insert the audit trail, 10 update the progress, 11 release.
    with django_assert_num_queries(11 + SEPARATE_COUNTS):
        assert replay_slice()


@pytest.mark.django_db(transaction=True)
def test_several_schedulers_replay_each_letter_once() -> None:
    template("welcome")
    user = person("alice")
    letters = [dead_letter(user, provider="") for _ in range(60)]
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
