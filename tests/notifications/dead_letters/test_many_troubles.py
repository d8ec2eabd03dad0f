"""A replay, or a letter of it, that keeps failing does not stop the others."""

from datetime import timedelta
from typing import Any

import pytest

from apps.common.failure_isolation import FAILURES_MAX
from apps.notifications.dead_letters import replay_many
from apps.notifications.dead_letters.filters import Filter
from apps.notifications.models import DeadLetter, DeadLetterReplay, LetterState, ReplayState
from apps.users.models import User
from tests.notifications.dead_letters.letters import (
    audit_trail,
    dead_letter,
    overdue_replays,
    poison,
)
from tests.notifications.lanes import Lanes

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def broker(lanes: Lanes) -> Lanes:
    return lanes


def begun(**criteria: Any) -> DeadLetterReplay:
    return replay_many.start(Filter(**criteria), kind="", by="operator", rate_per_second=1000)


def go_on(*, steps: int) -> None:
    for _ in range(steps):
        overdue_replays()
        assert replay_many.replay_slice()


def test_a_bad_letter_is_refused_after_its_retries_and_the_others_are_replayed(alice: User) -> None:
    letters = [dead_letter(alice), dead_letter(alice)]
    bad = poison()
    DeadLetter.objects.filter(pk=bad.pk).update(message=["no message"])
    replay = begun()
    go_on(steps=FAILURES_MAX - 1)
    replay.refresh_from_db()
    assert (replay.state, replay.failures) == (ReplayState.RUNNING, FAILURES_MAX - 1)
    assert (replay.last_error, replay.replayed, replay.refused) == ("AttributeError", 0, 0)
    go_on(steps=1)
    replay.refresh_from_db()
    assert (replay.state, replay.replayed, replay.refused) == (ReplayState.FINISHED, 2, 1)
    assert replay.refusals == {
        "This dead letter could not be replayed in 8 tries: AttributeError.": 1
    }
    states = {letter.pk: letter.state for letter in DeadLetter.objects.all()}
    assert states == {
        letters[0].pk: LetterState.REPLAYED,
        letters[1].pk: LetterState.REPLAYED,
        bad.pk: LetterState.OPEN,
    }


def test_a_replay_with_an_unreadable_filter_is_given_up_and_does_not_stop_others(
    alice: User,
) -> None:
    dead_letter(alice, reason="rejected")
    dead_letter(alice, reason="crashed")
    bad, good = begun(reason="rejected"), begun(reason="crashed")
    DeadLetterReplay.objects.filter(pk=bad.pk).update(criteria={"since": "yesterday"})
    # The failed replay is postponed, so the other one is handled next.
    DeadLetterReplay.objects.filter(pk=bad.pk).update(next_at=bad.next_at - timedelta(seconds=1))
    assert replay_many.replay_slice()
    assert replay_many.replay_slice()
    good.refresh_from_db()
    assert (good.state, good.replayed) == (ReplayState.FINISHED, 1)
    go_on(steps=FAILURES_MAX - 1)
    bad.refresh_from_db()
    assert (bad.state, bad.replayed, bad.failures) == (ReplayState.CANCELLED, 0, FAILURES_MAX)
    assert bad.ended_at is not None
    assert audit_trail(replay=bad)[-1] == (
        "replay_cancelled",
        "system",
        f"given up after 8 failures: {bad.last_error}",
    )
    overdue_replays()
    assert not replay_many.replay_slice()
