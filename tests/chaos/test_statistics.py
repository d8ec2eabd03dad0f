"""The comparison of statistics with rows finds what was counted too often or not at all."""

from datetime import UTC, datetime, timedelta

from tests.chaos.statistics import compared, counted, counted_calls, expected

MINUTE = datetime(2026, 11, 28, 9, 41, tzinfo=UTC)
LATER = MINUTE + timedelta(seconds=90)


def test_each_row_counts_where_it_was_accepted_and_where_it_ended() -> None:
    rows = [
        ("shop", MINUTE, LATER, "sent", ""),
        ("shop", MINUTE, LATER, "failed", "rejected"),
        ("shop", MINUTE, MINUTE, "pending", ""),
    ]

    assert expected(rows) == {
        "09:41 shop accepted": 3,
        "09:42 shop ended/sent": 1,
        "09:42 shop ended/failed/rejected": 1,
    }


def test_an_ending_that_was_replaced_is_not_counted_twice() -> None:
    stored = [
        (MINUTE, "shop", {"accepted": 1, "ended/sent/": 1, "latency/7": 1}),
        (LATER, "shop", {"ended/bounced/hard_bounce": 1}),
        (MINUTE, "shop", {"replaced/sent/": 1}),
    ]

    found = counted(stored)

    rows = [("shop", MINUTE, LATER, "bounced", "hard_bounce")]
    assert compared(found, expected(rows)) == []


def test_a_lost_and_a_doubled_count_are_named() -> None:
    stored = [(MINUTE, "shop", {"accepted": 3}), (MINUTE, "shop", {"ended/sent/": 1})]

    found = compared(counted(stored), expected([("shop", MINUTE, MINUTE, "sent", "")] * 2))

    assert found == [
        "09:41 shop accepted: 3 counted, 2 rows",
        "09:41 shop ended/sent: 1 counted, 2 rows",
    ]


def test_only_the_first_differences_are_shown() -> None:
    stored = [(MINUTE + timedelta(minutes=n), "shop", {"accepted": 1}) for n in range(9)]

    found = compared(counted(stored), expected([]))

    assert len(found) == 6
    assert found[-1] == "and 4 more"


def test_calls_are_compared_by_provider_and_outcome() -> None:
    stored = [
        (MINUTE, "shop", {"attempts/smtp/accepted": 2, "accepted": 2}),
        (LATER, "other", {"attempts/smtp/accepted": 1, "attempts/smtp/transient": 1}),
    ]

    assert counted_calls(stored) == {"smtp/accepted": 3, "smtp/transient": 1}
