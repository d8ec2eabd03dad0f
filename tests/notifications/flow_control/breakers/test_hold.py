"""A forced state with a reason and an end, which applies without any process having to act."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, fields
from uuid import uuid4

import pytest

from apps.notifications.flow_control import breakers, control
from apps.notifications.flow_control.breakers import Circuit, Forced, Hold, State
from apps.notifications.flow_control.breakers.circuit import admitted
from apps.notifications.flow_control.breakers.hold import NO_HOLD, belonging, released
from apps.notifications.flow_control.breakers.store import CIRCUITS, HOLDS

NOW = 1_000_000.0
OPEN = Circuit(forced=Forced.OPEN, forced_at=NOW)
FOR_AN_HOUR = Hold(forced_at=NOW, until=NOW + 3600, reason="maintenance", by="staff:1")
# The fields of a circuit that earlier releases know; they reset one that has any other.
KNOWN_BEFORE = {
    "state",
    "forced",
    "forced_at",
    "reason",
    "window_began",
    "successes",
    "failures",
    "since",
    "changed_at",
    "open_seconds",
    "probes_left",
}


@pytest.fixture
def name() -> str:
    """A breaker name that no other test uses."""
    return f"test-{uuid4().hex}"


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return a function that moves the clock of this process forward, in seconds."""
    usual, moved = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: usual() + moved[0])

    def move(seconds: float) -> None:
        moved[0] += seconds

    return move


def test_a_force_lasts_to_its_end_and_not_longer() -> None:
    assert released(OPEN, FOR_AN_HOUR, now=NOW + 3599) == OPEN
    assert released(OPEN, FOR_AN_HOUR, now=NOW + 3600) == Circuit()


def test_a_force_without_an_end_lasts_until_it_is_given_back() -> None:
    assert released(OPEN, Hold(forced_at=NOW), now=NOW + 10**9) == OPEN


def test_the_end_of_an_earlier_force_does_not_end_a_later_one() -> None:
    later = Circuit(forced=Forced.OPEN, forced_at=NOW + 60)

    assert released(later, FOR_AN_HOUR, now=NOW + 7200) == later
    assert belonging(FOR_AN_HOUR, later) == NO_HOLD
    assert belonging(FOR_AN_HOUR, Circuit()) == NO_HOLD


def test_an_automatic_state_has_no_end() -> None:
    opened = Circuit(state=State.OPEN, changed_at=NOW)

    assert released(opened, FOR_AN_HOUR, now=NOW + 7200) == opened


def test_processes_of_an_earlier_release_read_a_circuit_that_is_forced_with_an_end() -> None:
    assert {field.name for field in fields(Circuit)} == KNOWN_BEFORE
    assert set(asdict(OPEN)) == KNOWN_BEFORE


def test_what_they_write_back_keeps_the_end() -> None:
    # They change what they know and write all of it.
    after, _, _ = admitted(OPEN, wanted=5, now=NOW + 10)
    read = CIRCUITS.parsed(json.dumps(asdict(after)))

    assert released(read, FOR_AN_HOUR, now=NOW + 3600) == Circuit()


def test_a_field_of_a_later_release_does_not_reset_a_breaker() -> None:
    circuit = json.dumps({**asdict(OPEN), "mood": "calm"})
    hold = json.dumps({**asdict(FOR_AN_HOUR), "mood": "calm"})

    assert CIRCUITS.parsed(circuit) == OPEN
    assert HOLDS.parsed(hold) == FOR_AN_HOUR


def test_nothing_is_admitted_before_the_end_and_everything_after_it(
    name: str, later: Callable[[float], None]
) -> None:
    breakers.force([name], Forced.OPEN, seconds=900, reason="maintenance", by="staff:1")

    assert breakers.admit(name, wanted=5).count == 0
    assert breakers.hold_of(name).reason == "maintenance"
    later(901)

    assert breakers.shown(name).forced is Forced.AUTO
    assert breakers.hold_of(name) == NO_HOLD
    assert breakers.admit(name, wanted=5).count == 5


def test_who_waits_for_the_end_is_not_told_to_wait_longer(
    name: str, later: Callable[[float], None]
) -> None:
    breakers.force([name], Forced.OPEN, seconds=900)
    until = breakers.hold_of(name).until
    later(890)

    retry_at = breakers.admit(name, wanted=1).retry_at.timestamp()
    # A time has microseconds, and Unix seconds have more digits.
    assert retry_at == pytest.approx(until, abs=1e-5)


def test_the_end_is_written_down_for_earlier_releases_by_the_first_that_asks(
    name: str, later: Callable[[float], None]
) -> None:
    breakers.force([name], Forced.CLOSED, seconds=900)
    later(901)

    breakers.admit(name, wanted=1)
    later(-901)

    # Before the end again: only the stored circuit can say that it is over.
    assert breakers.shown(name).forced is Forced.AUTO


def test_a_breaker_that_is_given_back_has_no_hold(name: str) -> None:
    breakers.force([name], Forced.OPEN, seconds=900, reason="maintenance")

    breakers.force([name], Forced.AUTO)

    assert breakers.hold_of(name) == NO_HOLD
    assert breakers.shown(name) == Circuit()


def test_all_forced_breakers_are_found_with_their_reason_and_end() -> None:
    control.force("fcm", Forced.OPEN, by="staff:1", only="fcm:ios", seconds=60, reason="wrong key")

    (found,) = control.forced_now(cached_seconds=5)

    assert (found.name, found.forced, found.forced_why) == ("fcm:ios", Forced.OPEN, "wrong key")
    assert found.forced_by == "staff:1"
    assert found.forced_until is not None


def test_a_force_by_the_api_has_neither_reason_nor_end() -> None:
    control.force("smtp", Forced.CLOSED, by="shop")

    (found,) = control.forced_now(cached_seconds=0)

    assert (found.forced_why, found.forced_until, found.forced_by) == ("", None, "shop")
