"""Ids that sort by time."""

from uuid import RFC_4122

from apps.common.ids import derived_id, new_id


def test_a_derived_id_depends_only_on_its_parent_and_its_part() -> None:
    parent, other = new_id(), new_id()
    assert derived_id(parent, "1", place=1) == derived_id(parent, "1", place=1)
    made = {
        derived_id(whole, str(part), place=part)
        for whole in (parent, other)
        for part in range(1000)
    }
    assert len(made) == 2000


def test_parts_at_the_same_place_have_ids_of_their_own() -> None:
    parent = new_id()
    assert len({derived_id(parent, str(part), place=7) for part in range(1000)}) == 1000


def test_derived_ids_are_in_the_order_of_their_places() -> None:
    parent = new_id()
    places = [0, 1, 2, 4095, 4096, 2**18 - 1, 2**18, 999_999, 2**30 - 1]
    made = [derived_id(parent, str(place), place=place) for place in places]
    assert made == sorted(made)
    assert {one.version for one in made} == {7}
    assert {one.variant for one in made} == {RFC_4122}


def test_a_place_beyond_the_counter_keeps_the_time_of_the_parent() -> None:
    parent = new_id()
    assert derived_id(parent, "far", place=2**30 + 5).int >> 80 == parent.int >> 80


def test_a_derived_id_is_a_uuid7_with_the_time_of_its_parent() -> None:
    parent = new_id()
    derived = derived_id(parent, "row", place=3)
    assert (derived.version, derived.variant) == (7, RFC_4122)
    assert derived.int >> 80 == parent.int >> 80
