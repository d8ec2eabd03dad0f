"""The access table: which kind of caller may do what."""

from uuid import uuid4

import pytest

from apps.common.callers import Caller, Scope
from apps.common.rest.permissions import Access

READ = Scope.NOTIFICATIONS_READ
VIEW = "notifications.view_notification"
KEY = Caller(client="shop", scopes=frozenset({READ}))
OTHER_KEY = Caller(client="shop", scopes=frozenset(Scope) - {READ})
PERSON = Caller(client=None, user_id=uuid4())
STAFF = Caller(client="staff:1", user_id=uuid4(), is_staff=True, permissions=frozenset({VIEW}))
OTHER_STAFF = Caller(client="staff:2", user_id=uuid4(), is_staff=True)

TABLE = [
    (Access(anyone=True), {None, KEY, OTHER_KEY, PERSON, STAFF, OTHER_STAFF}),
    (Access(), set[Caller | None]()),
    (Access(scope=READ), {KEY}),
    (Access(staff=VIEW), {STAFF}),
    (Access(own=True), {PERSON, STAFF, OTHER_STAFF}),
    (Access(scope=READ, staff=VIEW), {KEY, STAFF}),
    (Access(scope=READ, staff=VIEW, own=True), {KEY, PERSON, STAFF, OTHER_STAFF}),
]


@pytest.mark.parametrize(("access", "admitted"), TABLE)
def test_an_access_rule_allows_exactly_these_callers(
    access: Access, admitted: set[Caller | None]
) -> None:
    everybody = {None, KEY, OTHER_KEY, PERSON, STAFF, OTHER_STAFF}
    assert {caller for caller in everybody if access.allows(caller)} == admitted


def test_only_operators_and_staff_see_every_client() -> None:
    operator = Caller(client="desk", scopes=frozenset({Scope.OPERATIONS}))
    assert operator.sees_all_clients
    assert STAFF.sees_all_clients
    assert not KEY.sees_all_clients
    assert not PERSON.sees_all_clients


def test_the_kinds_of_callers_exclude_each_other() -> None:
    assert (KEY.is_key, KEY.is_end_user) == (True, False)
    assert (PERSON.is_key, PERSON.is_end_user) == (False, True)
    assert (STAFF.is_key, STAFF.is_end_user) == (False, False)
