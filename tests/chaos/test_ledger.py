"""The accounting of the fault injection finds what is lost, doubled or not replayed."""

from typing import Any

import pytest

from tests.chaos.ledger import Account, Copy, Row, account, percentile, windows


def row(pk: str, status: str = "sent", **fields: Any) -> Row:
    return Row(id=pk, ref=f"ref-{pk}", status=status, **fields)


def copy(pk: str, *, carried: str | None = None, at: float = 0.0) -> Copy:
    return Copy(ref=f"ref-{pk}", carried_id=carried or pk, at=at)


def accounted(*rows: Row, copies: list[Copy], accepted: list[str]) -> Account:
    return account({f"ref-{pk}": pk for pk in accepted}, rows=rows, copies=copies)


def test_what_was_sent_once_is_delivered() -> None:
    made = accounted(row("a"), row("b"), copies=[copy("a"), copy("b")], accepted=["a", "b"])

    assert (made.accepted, made.delivered, made.doubled) == (2, 2, 0)
    assert made.complaints == []


def test_a_second_copy_under_the_same_id_is_counted_and_no_complaint() -> None:
    made = accounted(row("a"), copies=[copy("a"), copy("a"), copy("a")], accepted=["a"])

    assert (made.delivered, made.doubled, made.strange) == (1, 2, [])
    assert made.complaints == []


def test_a_second_copy_under_another_id_is_a_complaint() -> None:
    made = accounted(row("a"), copies=[copy("a"), copy("a", carried="other")], accepted=["a"])

    assert made.doubled == 1
    assert len(made.strange) == len(made.complaints) == 1


def test_one_copy_under_the_id_of_something_else_is_a_complaint() -> None:
    made = accounted(row("a"), row("b"), copies=[copy("a", carried="b")], accepted=["a"])

    assert len(made.strange) == 1


def test_a_row_that_says_sent_although_nothing_reached_the_wire_is_lost() -> None:
    made = accounted(row("a"), copies=[], accepted=["a"])

    assert made.delivered == 0
    assert made.lost == ["ref-a a: sent, but nothing reached the wire"]


def test_an_accepted_id_without_a_row_is_lost() -> None:
    made = accounted(copies=[copy("a")], accepted=["a"])

    assert made.lost == ["ref-a a: there is no row"]


@pytest.mark.parametrize("status", ["pending", "sending", "retrying", "scheduled"])
def test_what_has_not_ended_is_lost_even_where_it_reached_the_wire(status: str) -> None:
    made = accounted(row("a", status), copies=[copy("a")], accepted=["a"])

    assert made.lost == [f"ref-a a: still {status}"]


def test_a_documented_ending_is_counted_by_its_reason() -> None:
    made = accounted(
        row("a", "bounced", reason="hard_bounce"),
        row("b", "skipped", reason="suppressed"),
        row("c", "skipped", reason="suppressed"),
        copies=[],
        accepted=["a", "b", "c"],
    )

    assert made.endings == {"bounced (hard_bounce)": 1, "skipped (suppressed)": 2}
    assert made.complaints == []


def test_a_failed_one_without_a_dead_letter_is_lost() -> None:
    made = accounted(row("a", "failed", reason="rejected"), copies=[], accepted=["a"])

    assert made.lost == ["ref-a a: failed without a dead letter"]


def test_a_dead_letter_whose_replay_was_delivered_is_replayed() -> None:
    made = accounted(
        row("a", "failed", reason="rejected", letter="replayed"),
        row("b", replay_of="a"),
        copies=[copy("a", carried="b")],
        accepted=["a"],
    )

    assert (made.endings, made.replayed) == ({"failed (rejected)": 1}, 1)
    assert made.complaints == []


def test_a_dead_letter_without_a_replay_is_a_complaint() -> None:
    made = accounted(row("a", "failed", letter="open"), copies=[], accepted=["a"])

    assert made.replayed == 0
    assert made.unreplayed == ["ref-a a: the last of its chain is failed"]


def test_a_dead_letter_whose_replay_never_reached_the_wire_is_a_complaint() -> None:
    made = accounted(
        row("a", "failed", letter="replayed"), row("b", replay_of="a"), copies=[], accepted=["a"]
    )

    assert len(made.unreplayed) == 1


def test_what_nobody_was_promised_is_not_counted() -> None:
    made = accounted(row("a"), copies=[copy("a")], accepted=[])

    assert made == Account()


def test_the_window_runs_from_the_last_copy_to_the_record_of_what_was_delivered() -> None:
    rows = [
        row("a", recorded_at=10.5),
        row("b", "failed", recorded_at=99.0),
        row("c", recorded_at=3.0),
    ]
    copies = [copy("a", at=4.0), copy("a", at=10.0), copy("b", at=1.0)]

    assert windows(rows, copies) == [0.5]


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(number) for number in range(1, 101)]

    assert [percentile(values, share) for share in (0.5, 0.99, 1.0)] == [51.0, 100.0, 100.0]
    assert percentile([], 0.99) == 0.0
