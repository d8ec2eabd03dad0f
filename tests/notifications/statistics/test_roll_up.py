"""Deltas become sums of minutes, hours, days and all time, once each."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from apps.notifications.models import StatisticsDelta, StatisticsSum
from apps.notifications.statistics import roll_up as module
from apps.notifications.statistics.roll_up import (
    ALL_TIME,
    BEGINNING,
    DAY,
    HOUR,
    KEPT,
    MINUTE,
    PURGE_SECONDS,
    RollUp,
    purge,
    roll_up,
)

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


def count(at: datetime = NOON, client: str = "shop", **counts: int) -> None:
    StatisticsDelta.objects.create(
        at=at,
        client=client,
        kind="live",
        channel="email",
        template_code="welcome",
        counts=counts or {"accepted": 1},
    )


def sums(client: str = "shop") -> dict[tuple[int, datetime], dict[str, int]]:
    rows = StatisticsSum.objects.filter(client=client)
    return {(row.seconds, row.at): row.counts for row in rows}


def test_counts_are_added_to_each_period_and_to_earlier_sums() -> None:
    count(accepted=2)
    count(accepted=1, retries=1)
    roll_up()
    count(NOON + timedelta(minutes=1), accepted=4)
    roll_up()

    assert sums() == {
        (MINUTE, NOON): {"accepted": 3, "retries": 1},
        (MINUTE, NOON + timedelta(minutes=1)): {"accepted": 4},
        (HOUR, NOON): {"accepted": 7, "retries": 1},
        (DAY, datetime(2026, 11, 28, tzinfo=UTC)): {"accepted": 7, "retries": 1},
        (ALL_TIME, BEGINNING): {"accepted": 7, "retries": 1},
    }
    assert not StatisticsDelta.objects.exists()


def test_each_client_has_sums_of_its_own() -> None:
    count()
    count(client="other", accepted=5)
    roll_up()

    assert sums()[MINUTE, NOON] == {"accepted": 1}
    assert sums("other")[MINUTE, NOON] == {"accepted": 5}


def test_a_step_takes_a_limited_number_of_deltas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STEP_DELTAS", 2)
    for _ in range(3):
        count()

    assert (roll_up(), roll_up(), roll_up()) == (True, False, False)
    assert sums()[MINUTE, NOON] == {"accepted": 3}


def test_sums_older_than_a_year_are_purged_except_those_of_all_time() -> None:
    count()
    roll_up()

    purge(now=NOON + KEPT - timedelta(days=1))
    assert len(sums()) == 4
    purge(now=NOON + KEPT + timedelta(days=1))
    assert set(sums()) == {(ALL_TIME, BEGINNING)}


def test_the_job_works_every_five_seconds_and_purges_every_hour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, purged = [100.0], list[Any]()
    monkeypatch.setattr(module, "purge", lambda **given: purged.append(given))
    job = RollUp(clock=lambda: clock[0])
    job()
    count()

    clock[0] += 4.9
    job()
    assert StatisticsDelta.objects.exists()
    clock[0] += 0.1
    job()
    assert not StatisticsDelta.objects.exists()
    assert len(purged) == 1
    clock[0] += PURGE_SECONDS
    job()
    assert len(purged) == 2


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_several_schedulers_count_each_delta_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STEP_DELTAS", 5)
    for minute in range(60):
        for _ in range(3):
            count(NOON + timedelta(minutes=minute % 7))

    def work(_: int) -> None:
        try:
            while StatisticsDelta.objects.exists():
                roll_up()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))

    assert sums()[HOUR, NOON] == sums()[ALL_TIME, BEGINNING] == {"accepted": 180}
    assert sum(row["accepted"] for (seconds, _), row in sums().items() if seconds == MINUTE) == 180
