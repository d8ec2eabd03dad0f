"""The rules of a circuit breaker, as pure functions."""

from hypothesis import given
from hypothesis import strategies as st

from apps.notifications.flow_control.breakers.circuit import (
    OPEN_SECONDS,
    OPEN_SECONDS_MAX,
    PROBE_SECONDS,
    PROBES,
    VOLUME_MIN,
    WINDOW_SECONDS,
    Circuit,
    Forced,
    State,
    admitted,
    reported,
)

NOW = 1_000_000.0


def opened(**fields: object) -> Circuit:
    return Circuit(state=State.OPEN, changed_at=NOW, **fields)  # type: ignore[arg-type] # Shorthand for these tests.


def test_a_closed_breaker_admits_everything() -> None:
    assert admitted(Circuit(), wanted=100, now=NOW) == (Circuit(), 100, NOW)


def test_it_opens_when_half_of_the_minimum_number_of_calls_fail() -> None:
    almost = reported(Circuit(), successes=4, failures=VOLUME_MIN - 5, now=NOW)
    assert almost.state is State.CLOSED

    after = reported(almost, successes=0, failures=1, now=NOW + 1)

    assert (after.state, after.reason) == (State.OPEN, "failure_rate")
    assert admitted(after, wanted=5, now=NOW + 1) == (after, 0, NOW + 1 + OPEN_SECONDS)


def test_a_few_failures_among_many_calls_do_not_open_it() -> None:
    assert reported(Circuit(), successes=51, failures=50, now=NOW).state is State.CLOSED


def test_fewer_calls_than_the_minimum_do_not_open_it() -> None:
    assert reported(Circuit(), successes=0, failures=VOLUME_MIN - 1, now=NOW).state is State.CLOSED


def test_failures_of_an_earlier_window_are_forgotten() -> None:
    earlier = reported(Circuit(), successes=0, failures=VOLUME_MIN - 1, now=NOW)

    later = reported(earlier, successes=0, failures=1, now=NOW + WINDOW_SECONDS + 1)

    assert (later.state, later.failures) == (State.CLOSED, 1)


def test_wrong_credentials_open_it_at_once() -> None:
    after = reported(Circuit(), successes=99, failures=0, fatal="credentials", now=NOW)

    assert (after.state, after.reason) == (State.OPEN, "credentials")


def test_after_the_open_time_it_admits_a_few_probes_and_no_more() -> None:
    due = NOW + OPEN_SECONDS

    first, going, _ = admitted(opened(), wanted=2, now=due)
    second, more, _ = admitted(first, wanted=100, now=due)
    third, none, again_at = admitted(second, wanted=100, now=due)

    assert (first.state, going, more, none) == (State.HALF_OPEN, 2, PROBES - 2, 0)
    assert third == second
    assert again_at > due


def test_a_probe_that_succeeds_closes_it() -> None:
    half_open, _, _ = admitted(opened(), wanted=1, now=NOW + OPEN_SECONDS)

    after = reported(half_open, successes=1, failures=0, now=NOW + OPEN_SECONDS + 1)

    assert (after.state, after.open_seconds) == (State.CLOSED, OPEN_SECONDS)


def test_failed_probes_double_the_open_time_up_to_a_maximum() -> None:
    circuit, now = opened(), NOW
    waits = []
    for _ in range(6):
        now = circuit.opens_again_at
        half_open, _, _ = admitted(circuit, wanted=1, now=now)
        circuit = reported(half_open, successes=0, failures=1, now=now)
        waits.append(circuit.open_seconds)

    assert waits == [10.0, 20.0, 40.0, OPEN_SECONDS_MAX, OPEN_SECONDS_MAX, OPEN_SECONDS_MAX]


def test_probes_without_a_report_are_admitted_again() -> None:
    half_open, _, _ = admitted(opened(), wanted=PROBES, now=NOW + OPEN_SECONDS)

    _, going, _ = admitted(half_open, wanted=9, now=NOW + OPEN_SECONDS + PROBE_SECONDS)

    assert going == PROBES


def test_calls_in_flight_when_it_opened_do_not_prolong_it() -> None:
    assert reported(opened(), successes=0, failures=50, now=NOW + 1) == opened()


def test_a_breaker_that_was_opened_by_a_wrong_clock_admits_probes_at_once() -> None:
    ahead = opened(reason="credentials")
    before = NOW - 3600

    half_open, going, _ = admitted(ahead, wanted=100, now=before)

    assert (half_open.state, half_open.changed_at, going) == (State.HALF_OPEN, before, PROBES)


def test_probes_that_were_admitted_by_a_wrong_clock_are_admitted_again() -> None:
    ahead, _, _ = admitted(opened(), wanted=PROBES, now=NOW + OPEN_SECONDS)

    assert admitted(ahead, wanted=100, now=NOW - 3600)[1] == PROBES


def test_a_window_that_was_started_by_a_wrong_clock_is_discarded() -> None:
    ahead = reported(Circuit(), successes=100, failures=0, now=NOW)

    later = reported(ahead, successes=0, failures=1, now=NOW - 3600)

    assert (later.window_began, later.successes, later.failures) == (NOW - 3600, 0, 1)


def test_a_clock_difference_of_a_second_admits_no_probes() -> None:
    assert admitted(opened(), wanted=1, now=NOW - 1)[1] == 0


def test_a_forced_state_has_priority() -> None:
    shut = Circuit(forced=Forced.OPEN)
    held_shut = opened(forced=Forced.CLOSED)

    assert admitted(shut, wanted=7, now=NOW)[1] == 0
    assert admitted(held_shut, wanted=7, now=NOW)[1] == 7


@given(
    st.lists(
        st.tuples(
            st.floats(0, 30),
            st.integers(0, 50),
            st.integers(0, 50),
            st.sampled_from(["", "", "credentials"]),
        ),
        max_size=60,
    )
)
def test_it_never_admits_more_than_requested_and_always_admits_calls_again(
    steps: list[tuple[float, int, int, str]],
) -> None:
    circuit, now = Circuit(), NOW
    for pause, successes, failures, fatal in steps:
        now += pause
        circuit, count, again_at = admitted(circuit, wanted=successes + failures, now=now)
        assert 0 <= count <= successes + failures
        assert now <= again_at <= now + OPEN_SECONDS_MAX
        circuit = reported(circuit, successes=successes, failures=failures, fatal=fatal, now=now)

    later = now + OPEN_SECONDS_MAX + PROBE_SECONDS
    assert admitted(circuit, wanted=1, now=later)[1] == 1
