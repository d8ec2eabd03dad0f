"""Rows that are built by position are those that the constructor builds from names."""

from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from apps.common.new_rows import new_row
from apps.notifications.models import Attempt, Notification

GIVEN: dict[str, Any] = {
    "client": "shop",
    "request_id": "r-1",
    "user_id": uuid4(),
    "variables": {"name": "Ada"},
    "created_at": timezone.now(),
    "updated_at": timezone.now(),
}


def columns_of(row: Notification) -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def test_given_columns_are_set_and_the_others_have_their_defaults() -> None:
    identifier = uuid4()
    built = new_row(Notification, id=identifier, **GIVEN)
    assert columns_of(built) == columns_of(Notification(id=identifier, **GIVEN))


def test_a_row_is_new_and_has_an_id_of_its_own() -> None:
    first, second = (new_row(Notification, **GIVEN) for _ in range(2))
    assert first.pk != second.pk
    assert first._state.adding
    assert first.metadata is not second.metadata


def test_a_foreign_key_is_given_by_its_id() -> None:
    identifier = uuid4()
    assert new_row(Attempt, notification_id=identifier).notification_id == identifier


def test_a_name_that_is_no_column_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Notification has no columns \['clinet'\]"):
        new_row(Notification, clinet="shop")
