"""Replays of many: counted first, started after a question, watched, stopped."""

import re
from typing import Any

import pytest
from django.test import Client

from apps.desk.models import AuditEntry
from apps.notifications.dead_letters.replay_many import replay_slice
from apps.notifications.models import DeadLetter, DeadLetterReplay, Notification
from apps.users.models import User
from tests.desk.conftest import Login
from tests.notifications.dead_letters.letters import dead_letter, run_replays_to_the_end

START = "/admin/dead-letters/replays/"


@pytest.fixture
def operator(login: Login) -> Client:
    return login("Operator")


def start(client: Client, **form: str) -> Any:
    return client.post(START, {"confirmed": "yes", **form}, follow=True)


def text_of(answer: Any) -> str:
    """Return a page as people read it."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", answer.content.decode()))


def test_it_counts_first_and_says_what_is_left_out(operator: Client, ada: User) -> None:
    for _ in range(2):
        dead_letter(ada)
    dead_letter(ada, reason="unknown_outcome")

    page = text_of(operator.get(START, {"count": "yes", "provider": "smtp"}))
    none = text_of(operator.get(START, {"count": "yes", "channel": "push"}))

    assert "2 open dead letters fit." in page
    assert "1 left out It may have arrived." in page
    assert "No open dead letter fits." in none
    assert not DeadLetterReplay.objects.exists()


def test_the_question_says_how_many_how_fast_and_how_to_stop_it(
    operator: Client, ada: User
) -> None:
    for _ in range(3):
        dead_letter(ada)

    page = text_of(operator.post(START, {"reason": "attempts_exhausted", "rate_per_second": "1"}))

    assert "Replay 3 dead letters?" in page
    assert "1 a second: about 3.0 s in all" in page
    assert "has a Stop button" in page
    assert not DeadLetterReplay.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_replay_is_started_watched_and_ends(operator: Client, ada: User) -> None:
    letters = [dead_letter(ada) for _ in range(2)]

    running = start(operator, template_code="welcome", rate_per_second="20", note="smtp is back")

    replay = DeadLetterReplay.objects.get()
    assert (replay.rate_per_second, replay.matched, replay.note) == (20, 2, "smtp is back")
    assert 'data-refresh="2"' in running.content.decode()
    assert "2 left, 20 a second" in text_of(running)
    assert "Started byOperator" in text_of(running)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.object_id) == ("replay_started", str(replay.pk))
    assert entry.detail == "2 at 20 a second. smtp is back"

    run_replays_to_the_end()
    ended = operator.get(f"{START}{replay.pk}/")

    assert "data-refresh" not in ended.content.decode().split("<main", 1)[-1]
    assert "2 replayed" in text_of(ended)
    copies = Notification.objects.filter(replay_of__in=[one.notification_id for one in letters])
    assert copies.count() == 2


def test_it_is_stopped_with_one_click_and_the_rest_stays_open(operator: Client, ada: User) -> None:
    for _ in range(3):
        dead_letter(ada)
    start(operator, rate_per_second="1")
    replay = DeadLetterReplay.objects.get()
    replay_slice()

    page = text_of(operator.post(f"{START}{replay.pk}/stop/", follow=True))

    replay.refresh_from_db()
    assert replay.state == "cancelled"
    assert "Stopped after 1. The others are still open." in page
    assert DeadLetter.objects.filter(state="open").count() == 2
    assert AuditEntry.objects.filter(action="replay_stopped").count() == 1


def test_what_was_not_understood_starts_nothing(operator: Client, ada: User) -> None:
    dead_letter(ada)

    for wrong in ({"rate_per_second": "0"}, {"since": "soon"}, {"channel": "pigeon"}):
        assert "Not understood" in text_of(start(operator, **wrong))

    assert not DeadLetterReplay.objects.exists()


def test_a_viewer_watches_and_changes_nothing(login: Login, operator: Client, ada: User) -> None:
    dead_letter(ada)
    start(operator)
    replay = DeadLetterReplay.objects.get()
    viewer = login("Viewer")

    assert viewer.get(f"{START}{replay.pk}/").status_code == 200
    assert "Stop" not in text_of(viewer.get(f"{START}{replay.pk}/"))
    assert start(viewer).status_code == 403
    assert viewer.post(f"{START}{replay.pk}/stop/").status_code == 403

    replay.refresh_from_db()
    assert replay.state == "running"
    assert DeadLetterReplay.objects.count() == 1
