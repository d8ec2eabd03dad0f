"""Distinguish single foreign FCM tokens from a wrong key, which give the same answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.notifications.flow_control.breakers.sender_id_guard import (
    ACCEPTED_MAX,
    WINDOW_SECONDS,
    Mismatches,
    counted_calls,
)

NOW = 1_000_000.0


def after(before: Mismatches, *, accepted: int, mismatches: int, at: float = NOW) -> Mismatches:
    calls = accepted + mismatches
    return counted_calls(before, accepted=accepted, mismatches=mismatches, calls=calls, now=at)


def test_a_single_foreign_token_is_believed() -> None:
    assert after(Mismatches(), accepted=0, mismatches=1).believed


@pytest.mark.parametrize(("accepted", "mismatches"), [(95, 5), (0, 5), (90, 10), (1000, 200)])
def test_few_mismatches_or_a_small_part_are_believed(accepted: int, mismatches: int) -> None:
    assert after(Mismatches(), accepted=accepted, mismatches=mismatches).believed


@pytest.mark.parametrize(("accepted", "mismatches"), [(0, 6), (1, 99), (50, 50), (70, 30)])
def test_many_mismatches_that_are_a_large_part_are_not_believed(
    accepted: int, mismatches: int
) -> None:
    assert not after(Mismatches(), accepted=accepted, mismatches=mismatches).believed


def test_mismatches_are_not_believed_until_a_token_is_accepted() -> None:
    doubt = after(Mismatches(), accepted=0, mismatches=6)

    day = after(doubt, accepted=0, mismatches=1, at=NOW + 86_400)
    mended = after(day, accepted=50, mismatches=0, at=NOW + 86_401)

    assert not day.believed
    assert after(mended, accepted=0, mismatches=1, at=NOW + 86_402).believed


def test_mismatches_stay_unbelieved_when_only_some_workers_have_a_wrong_key() -> None:
    state = Mismatches()
    for minute in range(5):
        at = NOW + minute * WINDOW_SECONDS
        state = after(state, accepted=50, mismatches=0, at=at)
        state = after(state, accepted=0, mismatches=50, at=at + 1)
        assert not state.believed


@given(st.lists(st.tuples(st.floats(0, 1000), st.integers(1, 100)), max_size=80))
def test_a_wrong_key_retires_five_devices_at_most(chunks: list[tuple[float, int]]) -> None:
    state, now, retired = Mismatches(), NOW, 0
    for passed, mismatches in chunks:
        now += passed
        state = after(state, accepted=0, mismatches=mismatches, at=now)
        retired += mismatches if state.believed else 0

    assert retired <= ACCEPTED_MAX
