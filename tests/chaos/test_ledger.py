"""The accounting finds notifications that are lost, duplicated or not replayed."""

from typing import Any

import pytest

from apps.common.channels import Channel
from tests.chaos.copies import Copy, Harm, killed, unanswered
from tests.chaos.faults import FAULTS
from tests.chaos.ledger import Account, Row, account, percentile, windows


def row(pk: str, status: str = "sent", **fields: Any) -> Row:
    return Row(id=pk, ref=f"ref-{pk}", status=status, **fields)


def copy(pk: str, *, carried: str | None = None, at: float = 0.0, **fields: Any) -> Copy:
    return Copy(ref=f"ref-{pk}", carried_id=carried or pk, at=at, **fields)


def accounted(*rows: Row, copies: list[Copy], accepted: list[str], **fault: Any) -> Account:
    return account({f"ref-{pk}": pk for pk in accepted}, rows=rows, copies=copies, **fault)


def test_a_notification_that_was_sent_once_is_delivered() -> None:
    made = accounted(row("a"), row("b"), copies=[copy("a"), copy("b")], accepted=["a", "b"])

    assert (made.accepted, made.delivered, made.doubled) == (2, 2, 0)
    assert made.complaints == []


def test_a_second_copy_is_a_complaint_under_a_fault_that_explains_none() -> None:
    made = accounted(row("a"), copies=[copy("a"), copy("a")], accepted=["a"])

    assert (made.delivered, made.doubled, made.explained, made.strange) == (1, 1, 0, [])
    assert made.complaints == [
        "more copies than this fault explains: ref-a: 1 beyond the first, where 0 are explained"
    ]


def test_a_second_copy_under_another_id_is_a_complaint() -> None:
    made = accounted(row("a"), copies=[copy("a"), copy("a", carried="other")], accepted=["a"])

    assert made.doubled == 1
    assert len(made.strange) == 1


def test_a_copy_under_the_id_of_another_notification_is_a_complaint() -> None:
    made = accounted(row("a"), row("b"), copies=[copy("a", carried="b")], accepted=["a"])

    assert len(made.strange) == 1


def test_a_row_with_status_sent_and_no_copy_is_lost() -> None:
    made = accounted(row("a"), copies=[], accepted=["a"])

    assert made.delivered == 0
    assert made.lost == ["ref-a a: sent, but nothing reached the wire"]


def test_an_accepted_id_without_a_row_is_lost() -> None:
    made = accounted(copies=[copy("a")], accepted=["a"])

    assert made.lost == ["ref-a a: there is no row"]


@pytest.mark.parametrize("status", ["pending", "sending", "retrying", "scheduled"])
def test_an_unfinished_notification_is_lost_even_with_a_copy(status: str) -> None:
    made = accounted(row("a", status), copies=[copy("a")], accepted=["a"])

    assert made.lost == [f"ref-a a: still {status}"]


ENDED = [
    row("a", "bounced", reason="hard_bounce"),
    row("b", "skipped", reason="suppressed"),
    row("c", "skipped", reason="suppressed"),
]


def test_an_ending_that_the_fault_allows_is_counted_by_its_reason() -> None:
    named = {"bounced (hard_bounce)", "skipped (suppressed)"}

    made = accounted(*ENDED, copies=[], accepted=["a", "b", "c"], endings=named)

    assert made.endings == {"bounced (hard_bounce)": 1, "skipped (suppressed)": 2}
    assert made.complaints == []


def test_an_ending_that_the_fault_does_not_allow_is_a_complaint() -> None:
    named = {"bounced (hard_bounce)"}

    made = accounted(*ENDED, copies=[], accepted=["a", "b", "c"], endings=named)

    assert made.complaints == ["an ending that this fault may not cause: 2 skipped (suppressed)"]


def test_rows_of_dead_workers_that_end_as_skipped_are_a_complaint_under_every_fault() -> None:
    """A system that ended them as opted out would deliver nothing and seem to lose nothing."""
    crashed = row("a", "skipped", reason="opted_out")

    for fault in FAULTS.values():
        made = accounted(crashed, copies=[], accepted=["a"], endings=fault.endings)

        assert made.complaints == ["an ending that this fault may not cause: 1 skipped (opted_out)"]


def test_a_failed_notification_without_a_dead_letter_is_lost() -> None:
    made = accounted(row("a", "failed", reason="rejected"), copies=[], accepted=["a"])

    assert made.lost == ["ref-a a: failed without a dead letter"]


def test_a_dead_letter_whose_replay_was_delivered_is_replayed() -> None:
    made = accounted(
        row("a", "failed", reason="rejected", letter="replayed"),
        row("b", replay_of="a"),
        copies=[copy("a", carried="b")],
        accepted=["a"],
        endings={"failed (rejected)"},
    )

    assert (made.endings, made.replayed) == ({"failed (rejected)": 1}, 1)
    assert made.complaints == []


def test_a_dead_letter_without_a_replay_is_a_complaint() -> None:
    made = accounted(
        row("a", "failed", letter="open"), copies=[], accepted=["a"], endings={"failed"}
    )

    assert made.replayed == 0
    assert made.unreplayed == ["ref-a a: the last of its chain is failed"]


def test_a_dead_letter_whose_replay_was_never_sent_is_a_complaint() -> None:
    made = accounted(
        row("a", "failed", letter="replayed"), row("b", replay_of="a"), copies=[], accepted=["a"]
    )

    assert len(made.unreplayed) == 1


def test_a_replay_with_an_unknown_outcome_may_carry_another_id() -> None:
    made = accounted(
        row("a", "failed", reason="unknown_outcome", letter="replayed"),
        row("b", replay_of="a"),
        copies=[copy("a"), copy("a", carried="b", at=9.0, answered_at=9.0)],
        accepted=["a"],
        endings={"failed (unknown_outcome)"},
        bound=unanswered("no answer", at_most=3),
    )

    assert (made.doubled, made.explained, made.replayed) == (1, 1, 1)
    assert made.complaints == []


def test_the_replay_of_another_ending_under_another_id_is_a_complaint() -> None:
    made = accounted(
        row("a", "failed", reason="attempts_exhausted", letter="replayed"),
        row("b", replay_of="a"),
        copies=[copy("a"), copy("a", carried="b", at=9.0)],
        accepted=["a"],
        endings={"failed (attempts_exhausted)"},
        bound=unanswered("no answer", at_most=3),
    )

    assert len(made.strange) == len(made.complaints) == 1


def test_the_total_of_copies_is_bounded_by_the_harms_to_workers() -> None:
    harm = Harm(channels=frozenset({Channel.EMAIL}), at_most=1, since=10.0, until=10.0)
    copies = [copy(pk, at=at) for pk in ("a", "b") for at in (10.0, 70.0)]

    made = accounted(
        row("a"),
        row("b"),
        copies=copies,
        accepted=["a", "b"],
        bound=killed("died"),
        harms=[harm],
    )

    assert (made.doubled, made.explained) == (2, 1)
    assert made.complaints == [
        "more copies than this fault explains: 2 in all, where 1 are explained"
    ]


def test_a_request_without_a_202_is_not_counted() -> None:
    made = accounted(row("a"), copies=[copy("a")], accepted=[])

    assert made == Account()


def test_the_window_is_from_the_last_copy_to_the_record_of_a_delivery() -> None:
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
