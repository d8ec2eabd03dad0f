"""The providers page of the admin: view permission, forced breakers, and the audit log."""

import time
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.test import Client

from apps.desk.models import AuditEntry
from apps.notifications.flow_control import breakers, limits
from apps.notifications.flow_control.breakers import Forced, State, Tally
from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.base import Reply
from apps.users.models import User
from tests.notifications.factories import person

pytestmark = pytest.mark.django_db
PAGE = "/admin/providers/"


def member_of(group: str, *, strict: bool = False) -> Client:
    user = person(group.lower().replace(" ", "-"), is_staff=True)
    if group != "Nobody":
        user.groups.add(Group.objects.get(name=group))
    client = Client(enforce_csrf_checks=strict)
    client.force_login(user)
    return client


def press(client: Client, action: str, **fields: str) -> Any:
    return client.post(PAGE, {"action": action, "provider": "fcm", **fields})


def test_every_provider_is_shown_with_its_breakers_and_its_limit(
    welcome: None, settings: Any
) -> None:
    settings.EMAIL_PROVIDERS = ["smtp"]
    settings.PROVIDER_MAX_PER_SECOND = {"smtp": 14.0}
    breakers.report("fcm:ios", Tally(successes=0, failures=0, fatal="third_party_auth_error"))

    page = member_of("Viewer").get(PAGE).content.decode()

    for name in ("smtp", "sendgrid", "fcm:android", "fcm:ios", "fcm:web"):
        assert f"<td>{name}</td>" in page
    assert "third_party_auth_error" in page
    assert "14 calls a second" in page
    assert "smtp (email, preference 1)" in page
    assert "sendgrid (email, not configured)" in page
    assert page.count("<strong>open</strong>") == 1


def test_the_admin_index_links_to_the_page_for_viewers_only(welcome: None) -> None:
    assert f'href="{PAGE}"' in member_of("Viewer").get("/admin/").content.decode()
    assert f'href="{PAGE}"' not in member_of("Nobody").get("/admin/").content.decode()


def test_an_operator_forces_one_breaker_and_it_is_logged(welcome: None) -> None:
    operator = member_of("Operator")

    answer = press(operator, "open", breaker="fcm:ios")

    assert (answer.status_code, answer["Location"]) == (302, PAGE)
    assert breakers.shown("fcm:ios").effective is State.OPEN
    assert breakers.shown("fcm:android").effective is State.CLOSED
    staff = User.objects.get(is_staff=True)
    assert list(LogEntry.objects.values_list("user_id", "object_id", "change_message")) == [
        (staff.pk, "fcm:ios", "forced open")
    ]
    page = operator.get(PAGE).content.decode()
    assert "<strong>open</strong> (forced)" in page
    assert "Provider fcm:ios: forced open." in page
    (entry,) = AuditEntry.objects.filter(object_id="fcm:ios")
    assert (entry.object_type, entry.detail) == ("provider", "forced open")

    press(operator, "auto", breaker="fcm:ios")

    assert breakers.shown("fcm:ios").forced is Forced.AUTO


def test_an_operator_lifts_the_limit_that_a_provider_requested(welcome: None) -> None:
    operator = member_of("Operator")
    asked = Reply(outcome=Outcome.RATE_LIMITED, pause_seconds=60)
    limits.report("fcm", [asked], began=time.time())
    assert "It wants no call before" in operator.get(PAGE).content.decode()

    press(operator, "lift")

    assert limits.shown("fcm").per_second is None
    assert LogEntry.objects.get().change_message == "limit lifted"


@pytest.mark.parametrize("action", ["open", "closed", "auto", "lift"])
def test_a_viewer_sees_the_page_and_cannot_change_anything(welcome: None, action: str) -> None:
    viewer = member_of("Viewer")
    breakers.force(["fcm:ios"], Forced.OPEN)

    assert "Force open" not in viewer.get(PAGE).content.decode()
    assert press(viewer, action, breaker="fcm:ios").status_code == 403

    assert breakers.shown("fcm:ios").forced is Forced.OPEN
    assert not LogEntry.objects.exists()


def test_staff_without_permission_and_unauthenticated_callers_do_not_see_it(
    welcome: None, client: Client
) -> None:
    assert member_of("Nobody").get(PAGE).status_code == 403
    answer = client.get(PAGE)
    assert (answer.status_code, answer["Location"]) == (302, f"/admin/login/?next={PAGE}")
    assert press(client, "open", breaker="fcm:ios").status_code == 302
    assert breakers.shown("fcm:ios").forced is Forced.AUTO


def test_a_form_from_another_site_changes_nothing(welcome: None) -> None:
    operator = member_of("Operator", strict=True)

    assert press(operator, "open", breaker="fcm:ios").status_code == 403

    assert breakers.shown("fcm:ios").forced is Forced.AUTO


@pytest.mark.parametrize(
    "fields",
    [
        {"action": "ajar", "breaker": "fcm:ios"},
        {"action": "open", "breaker": "smtp"},
        {"action": "open"},
        {"action": "open", "breaker": "fcm:ios", "provider": "sandbox"},
        {"action": "lift", "provider": "pigeon"},
    ],
)
def test_unknown_actions_breakers_and_providers_are_refused(
    welcome: None, fields: dict[str, str]
) -> None:
    answer = press(member_of("Operator"), **fields)

    assert answer.status_code == 400
    assert not LogEntry.objects.exists()
