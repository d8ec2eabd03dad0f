"""The table of status transitions is complete, and every sequence of transitions ends."""

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


def test_the_table_has_a_row_for_every_status_and_no_other_target() -> None:
    assert set(MOVES) == set(Status)
    assert frozenset[Status]().union(*MOVES.values()) <= set(Status)


def test_every_status_can_be_reached_from_an_accepted_request() -> None:
    assert reachable(Status.SCHEDULED) == set(Status)
    assert reachable(Status.PENDING) == set(Status)


def test_delivered_skipped_and_cancelled_have_no_further_transition() -> None:
    assert {status for status in Status if not MOVES[status]} == {
        Status.DELIVERED,
        Status.SKIPPED,
        Status.CANCELLED,
    }


def test_predecessors_are_the_inverse_of_the_transitions() -> None:
    for after in Status:
        assert predecessors(after) == {before for before in Status if may_move(before, after)}


def test_a_finished_notification_never_becomes_unfinished_again() -> None:
    assert set(Status) == FINISHED | UNFINISHED
    assert not FINISHED & UNFINISHED
    for status in FINISHED:
        assert not MOVES[status] & UNFINISHED


def test_the_sets_of_statuses_are_exactly_these() -> None:
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
def test_every_cancellable_status_has_a_transition_to_cancelled(status: Status) -> None:
    assert may_move(status, Status.CANCELLED)


def test_a_notification_in_flight_cannot_be_cancelled() -> None:
    assert not may_move(Status.SENDING, Status.CANCELLED)


@given(choices=st.lists(st.integers(min_value=0), max_size=60))
def test_no_transition_undoes_a_final_status_and_only_delivered_follows_a_bounce(
    choices: list[int],
) -> None:
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
