"""Ids that sort by time."""

from uuid import RFC_4122

from apps.common.ids import derived_id, new_id


def test_a_derived_id_depends_only_on_its_parent_and_its_part() -> None:
    parent, other = new_id(), new_id()
    assert derived_id(parent, "1") == derived_id(parent, "1")
    made = {derived_id(whole, str(part)) for whole in (parent, other) for part in range(1000)}
    assert len(made) == 2000


def test_a_derived_id_is_a_uuid7_with_the_time_of_its_parent() -> None:
    parent = new_id()
    derived = derived_id(parent, "row")
    assert (derived.version, derived.variant) == (7, RFC_4122)
    assert derived.int >> 80 == parent.int >> 80
