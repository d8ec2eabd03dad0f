"""A condition on many ids finds the same rows as ``IN``, on each database."""

from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.common.postgresql.one_of import OneOf
from apps.users.models import Device, User
from tests.notifications.factories import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> list[User]:
    return [person(name, tokens=(f"token-{name}",)) for name in ("alice", "bob", "charlie")]


def test_the_rows_with_these_ids_are_found(people: list[User]) -> None:
    alice, bob, _ = people
    found = User.objects.filter(OneOf("pk", [alice.pk, bob.pk, uuid4()])).order_by("pk")
    assert list(found) == [alice, bob]


def test_rows_are_found_by_a_foreign_key(people: list[User]) -> None:
    alice, *_ = people
    devices = Device.objects.filter(OneOf("user_id", {alice.pk}), retired_at=None)
    assert [device.token for device in devices] == ["token-alice"]


def test_other_conditions_must_hold_as_well(people: list[User]) -> None:
    ids = [user.pk for user in people]
    assert User.objects.filter(OneOf("pk", ids), name="Bob").get() == people[1]
    assert list(User.objects.exclude(OneOf("pk", ids[1:]))) == [people[0]]


def test_rows_are_updated(people: list[User]) -> None:
    alice, bob, charlie = people
    assert User.objects.filter(OneOf("pk", [alice.pk, bob.pk])).update(name="Renamed") == 2
    charlie.refresh_from_db()
    assert charlie.name == "Charlie"


@pytest.mark.parametrize("ids", [[], set()])
def test_no_ids_find_no_rows_and_ask_nothing(people: list[User], ids: list[UUID]) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert list(User.objects.filter(OneOf("pk", ids))) == []
        assert User.objects.filter(OneOf("pk", ids)).update(name="Nobody") == 0
    assert not queries.captured_queries


def test_two_conditions_are_equal_only_with_the_same_ids() -> None:
    first, second = uuid4(), uuid4()
    assert OneOf("pk", [first]) == OneOf("pk", [first])
    assert OneOf("pk", [first]) != OneOf("pk", [second])


@pytest.mark.services
def test_the_ids_are_one_array_for_postgresql(people: list[User]) -> None:
    ids = [user.pk for user in people]
    with CaptureQueriesContext(connection) as queries:
        assert User.objects.filter(OneOf("pk", ids)).count() == len(ids)
    (statement,) = [query["sql"] for query in queries.captured_queries]
    assert '"users_user"."id" = ANY(' in statement
