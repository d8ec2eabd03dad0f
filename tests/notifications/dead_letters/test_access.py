"""Dead letters need the operations scope, or the permissions of staff."""

import json
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from rest_framework.test import APIClient

from apps.common.callers import Scope
from apps.notifications.models import DeadLetter, DeadLetterReplay, Notification
from apps.users import tokens
from apps.users.models import User
from tests.notifications.dead_letters.letters import PATH, audit_trail, dead_letter
from tests.notifications.factories import client_with, person
from tests.notifications.problems import assert_problem

pytestmark = pytest.mark.django_db

CALLS: list[tuple[str, str, dict[str, str] | None]] = [
    ("GET", "", None),
    ("GET", "{letter}", None),
    ("POST", "{letter}/replay", None),
    ("POST", "{letter}/discard", {"reason": "enough"}),
    ("POST", "replay", {}),
    ("GET", "replays/", None),
    ("GET", "replays/{replay}", None),
    ("POST", "replays/{replay}/cancel", None),
]


def call(
    caller: APIClient, method: str, path: str, given: dict[str, str] | None, letter: DeadLetter
) -> Any:
    replay = DeadLetterReplay.objects.create(
        by="shop",
        kind="live",
        correlation_id="c",
        rate_per_second=1,
        last_letter_id=letter.pk,
        matched=1,
    )
    filled = PATH + path.format(letter=letter.pk, replay=replay.pk)
    text = "" if given is None else json.dumps(given)
    return caller.generic(method, filled, data=text, content_type="application/json")


def nothing_happened() -> bool:
    return (
        set(DeadLetter.objects.values_list("state", flat=True)) == {"open"}
        and Notification.objects.count() == 1
        and audit_trail() == []
    )


@pytest.mark.parametrize(("method", "path", "given"), CALLS)
def test_callers_without_the_operations_scope_are_refused(
    alice: User, method: str, path: str, given: dict[str, str] | None
) -> None:
    letter = dead_letter(alice)
    nobody = APIClient(raise_request_exception=False)
    assert_problem(call(nobody, method, path, given, letter), 401)
    others = client_with(*(set(Scope) - {Scope.OPERATIONS}))
    assert_problem(call(others, method, path, given, letter), 403)
    user = APIClient(raise_request_exception=False)
    user.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.issue(alice).access}")
    assert_problem(call(user, method, path, given, letter), 403)
    assert nothing_happened()


@pytest.mark.parametrize(("method", "path", "given"), CALLS)
@pytest.mark.parametrize("slash", ["", "/"])
def test_the_operations_scope_is_enough_with_and_without_a_slash(
    alice: User, method: str, path: str, given: dict[str, str] | None, slash: str
) -> None:
    spelled = path.rstrip("/") + (slash if path else "")
    answer = call(client_with(Scope.OPERATIONS), method, spelled, given, dead_letter(alice))
    assert answer.status_code in {200, 202}, answer.content


def member_of(group: str) -> APIClient:
    user = person(f"staff{uuid4().hex[:6]}", is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    caller = APIClient(raise_request_exception=False)
    caller.force_login(user)
    return caller


@pytest.mark.parametrize(("method", "path", "given"), CALLS)
def test_viewers_may_read_and_operators_may_act(
    alice: User, method: str, path: str, given: dict[str, str] | None
) -> None:
    letter = dead_letter(alice)
    seen = call(member_of("Viewer"), method, path, given, letter)
    assert seen.status_code == (200 if method == "GET" else 403), seen.content
    assert nothing_happened()
    assert call(member_of("Operator"), method, path, given, letter).status_code in {200, 202}


def test_the_trail_names_the_member_of_staff(alice: User) -> None:
    letter = dead_letter(alice)
    member_of("Operator").post(f"{PATH}{letter.pk}/replay", {"note": "fixed"}, format="json")
    member = User.objects.get(is_staff=True)
    assert audit_trail() == [("replayed", f"staff:{member.pk}", "fixed")]
