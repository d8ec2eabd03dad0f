"""Ids sort by time, so a time can be the bound of a range of ids."""

import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from apps.common.ids import first_id_at, new_id


def test_ids_are_uuid_7_and_sort_by_time() -> None:
    ids = []
    for _ in range(5):
        ids.append(new_id())
        time.sleep(0.002)
    assert {pk.version for pk in ids} == {7}
    assert ids == sorted(ids)
    assert all(isinstance(pk, UUID) for pk in ids)


def test_an_id_lies_between_the_bounds_of_its_time() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    pk = new_id()
    after = datetime.now(UTC) + timedelta(milliseconds=2)
    assert first_id_at(before) <= pk < first_id_at(after)


@given(moment=st.datetimes(datetime(1970, 1, 2), datetime(9999, 1, 1)))  # noqa: DTZ001 - Hypothesis requires naive ones.
def test_the_first_id_of_a_time_is_valid_and_grows(moment: datetime) -> None:
    aware = moment.replace(tzinfo=UTC)
    first = first_id_at(aware)
    assert (first.version, first.variant) == (7, "specified in RFC 4122")
    assert first < first_id_at(aware + timedelta(milliseconds=2))


def test_a_time_before_1970_excludes_no_id() -> None:
    assert first_id_at(datetime(1, 1, 1, tzinfo=UTC)) <= new_id()
