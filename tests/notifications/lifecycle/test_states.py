"""The table of statuses is closed, and whatever walks it ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.notifications.lifecycle.states import (
    CANCELLABLE,
    CLAIMABLE,
    FINISHED,
    MOVES,
    REPLAYABLE,
    UNFINISHED,
    Status,
    may_move,
    predecessors,
)


def reachable(start: Status) -> set[Status]:
    found, open_ends = {start}, [start]
    while open_ends:
        new = MOVES[open_ends.pop()] - found
        found |= new
        open_ends += new
    return found


def test_the_table_has_a_row_for_every_status_and_leads_nowhere_else() -> None:
    assert set(MOVES) == set(Status)
    assert frozenset[Status]().union(*MOVES.values()) <= set(Status)


def test_every_ending_can_be_reached_from_a_request() -> None:
    assert reachable(Status.SCHEDULED) == set(Status)
    assert reachable(Status.PENDING) == set(Status)


def test_nothing_leaves_delivered_skipped_or_cancelled() -> None:
    assert {status for status in Status if not MOVES[status]} == {
        Status.DELIVERED,
        Status.SKIPPED,
        Status.CANCELLED,
    }


def test_predecessors_are_the_inverse_of_the_moves() -> None:
    for after in Status:
        assert predecessors(after) == {before for before in Status if may_move(before, after)}


def test_a_finished_notification_is_never_worked_on_again() -> None:
    assert set(Status) == FINISHED | UNFINISHED
    assert not FINISHED & UNFINISHED
    for status in FINISHED:
        assert not MOVES[status] & UNFINISHED


def test_the_sets_are_exactly_these() -> None:
    assert {Status.SCHEDULED, Status.PENDING, Status.RETRYING} == CANCELLABLE
    assert {Status.PENDING, Status.RETRYING} == CLAIMABLE
    assert {
        Status.FAILED,
        Status.BOUNCED,
        Status.EXPIRED,
        Status.CANCELLED,
        Status.SKIPPED,
    } == REPLAYABLE


@pytest.mark.parametrize("status", sorted(CANCELLABLE))
def test_what_may_be_cancelled_can_move_there(status: Status) -> None:
    assert may_move(status, Status.CANCELLED)


def test_what_is_on_the_wire_cannot_be_cancelled() -> None:
    assert not may_move(Status.SENDING, Status.CANCELLED)


@given(choices=st.lists(st.integers(min_value=0), max_size=60))
def test_no_walk_undoes_a_finish_and_only_delivered_follows_a_bounce(choices: list[int]) -> None:
    status = Status.SCHEDULED
    finished = False
    for choice in choices:
        following = sorted(MOVES[status])
        if not following:
            break
        before, status = status, following[choice % len(following)]
        assert may_move(before, status)
        assert not finished or status in FINISHED
        if before is Status.BOUNCED:
            assert status is Status.DELIVERED
        finished = finished or status in FINISHED
