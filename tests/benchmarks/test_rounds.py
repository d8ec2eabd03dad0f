"""Tests of how turns make a round, and rounds a line."""

import pytest

from tests.benchmarks.figures import Reading, Turn, Used
from tests.benchmarks.rounds import alternate, compared, median, ratios, summed


def test_contenders_take_turns_within_a_round_and_change_places_after_it() -> None:
    ran: list[str] = []

    def turn_of(name: str) -> Turn:
        ran.append(name)
        return Turn()

    contest = {"a": lambda: turn_of("a"), "b": lambda: turn_of("b")}
    found = alternate(contest, rounds=3, turns=2)

    assert "".join(ran) == "ababbabaabab"
    assert {name: len(rounds) for name, rounds in found.items()} == {"a": 3, "b": 3}


def test_every_round_keeps_its_own_contender_whoever_came_first() -> None:
    contest = {"a": lambda: Turn(units=10, seconds=1), "b": lambda: Turn(units=20, seconds=1)}
    found = alternate(contest, rounds=2, turns=2)

    assert [one.rate for one in found["a"]] == [10, 10]
    assert [one.rate for one in found["b"]] == [20, 20]
    assert ratios(found["a"], found["b"]) == (0.5, 0.5)


def test_the_rate_of_a_round_comes_from_the_sums_of_its_turns() -> None:
    # The mean of the two rates would be 550.
    turns = [Turn(units=1000, seconds=1), Turn(units=1000, seconds=10)]

    assert summed(turns).rate == pytest.approx(2000 / 11)


def test_the_percentiles_of_a_round_are_those_of_all_its_requests() -> None:
    quick = Turn(units=970, waits={0.01: 970.0})
    slow = Turn(units=30, waits={0.3: 30.0})

    # The medians of the turns' percentiles would be between the two.
    assert summed([quick, slow]).times == {"p50": 0.01, "p95": 0.01, "p99": 0.3}


def test_the_processor_time_of_a_round_is_divided_by_the_time_and_work_of_all_its_turns() -> None:
    first = Used(seconds=1, processor={"web": 1.0}, units=100, bytes={"log bytes": 1000})
    second = Used(seconds=3, processor={"web": 1.0, "email": 2.0}, units=300, bytes={})
    merged = summed([Turn(used=first), Turn(used=second)])

    assert merged.cpu == {"web": 0.5, "email": 0.5}
    assert merged.cost == {"web": 5.0, "email": 5.0}
    assert merged.bytes == {"log bytes": 2.5}


def test_the_errors_of_every_turn_are_kept() -> None:
    turns = [Turn(wrong=("one was lost",)), Turn(), Turn(wrong=("two came twice",))]

    assert summed(turns).wrong == ("one was lost", "two came twice")


def test_a_round_without_work_has_no_rate_and_no_costs() -> None:
    assert summed([Turn()]) == Reading()


def test_rounds_are_merged_by_median_and_keep_all_errors() -> None:
    rounds = [
        Reading(rate=100, times={"p50": 0.01}, cpu={"web": 0.5}),
        Reading(rate=900, times={"p50": 0.09}, cpu={"web": 0.9}, wrong=("one was lost",)),
        Reading(rate=110, times={"p50": 0.02}, cpu={"web": 0.6}),
    ]

    assert median(rounds) == Reading(
        rate=110, times={"p50": 0.02}, cpu={"web": 0.6}, wrong=("one was lost",)
    )


def test_each_round_is_compared_with_the_same_round_of_the_other() -> None:
    # The second round was disturbed on both sides, so its ratio is like the others.
    ours = [Reading(rate=80), Reading(rate=40), Reading(rate=84)]
    theirs = [Reading(rate=100), Reading(rate=50), Reading(rate=100)]

    assert ratios(ours, theirs) == (0.8, 0.8, 0.84)


def test_a_round_in_which_the_other_did_nothing_has_no_ratio() -> None:
    assert ratios([Reading(rate=80), Reading(rate=80)], [Reading(), Reading(rate=100)]) == (0.8,)


def test_a_line_compares_two_contenders_and_one_without_its_baseline_has_no_ratio() -> None:
    found = {"ours": [Reading(rate=80)], "theirs": [Reading(rate=100)]}

    line = compared("mails", found, ours="ours", against="theirs")
    assert (line.ours.rate, line.ceiling, line.ratio) == (80, Reading(rate=100), 0.8)
    alone = compared("mails", {"ours": found["ours"]}, ours="ours", against="theirs")
    assert (alone.against, alone.ceiling, alone.ratio) == ("", None, None)
