"""People: found by anything, with all that concerns them on one page."""

import json

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from apps.desk.models import AuditEntry
from apps.notifications.lifecycle.states import Status
from apps.users import contacts
from apps.users.models import ExternalId, User
from tests.desk.conftest import Login
from tests.notifications.factories import accepted, person, row_with_status

PEOPLE = "/admin/people/"


@pytest.mark.parametrize("term", ["Ada@EXAMPLE.com", "ada", "customer-7", "{pk}"])
def test_a_person_is_found_by_anything(login: Login, ada: User, term: str) -> None:
    ExternalId.objects.create(user=ada, client="shop", value="customer-7")
    viewer = login("Viewer")

    answer = viewer.get(PEOPLE, {"q": term.format(pk=ada.pk)})

    assert answer.context["people"] == [ada]


def test_the_page_shows_what_they_want_and_what_they_got(login: Login, ada: User) -> None:
    row_with_status(ada, Status.SENT)
    contacts.suppress(email="ada@example.com", reason="hard_bounce")
    contacts.set_channel(user_id=ada.pk, channel="push", category="news", enabled=False)

    page = login("Operator").get(reverse("desk:person", args=[ada.pk])).content.decode()

    assert "suppressed: gets no mail" in page
    assert "The address does not exist." in page
    assert "mail on, push off" in page
    assert "receives pushes" in page
    assert "Welcome, Ada" in page


def test_the_export_has_all_data_and_is_in_the_audit_trail(login: Login, ada: User) -> None:
    accepted(ada)
    other = accepted(person("bob"))
    address = reverse("desk:person-export", args=[ada.pk])

    answer = login("Operator").get(address)

    data = json.loads(answer.getvalue())
    assert data["person"]["email"] == "ada@example.com"
    assert data["person"]["devices"][0]["token"] == "token-of-ada"
    assert [one["variables"]["name"] for one in data["messages"]] == ["Ada"]
    assert str(other.pk) not in json.dumps(data)
    assert AuditEntry.objects.get().action == "exported"
    assert login("Viewer").get(address).status_code == 403


def test_a_person_is_erased_after_a_question(login: Login, ada: User) -> None:
    accepted(ada)
    administrator = login("Administrator")
    address = reverse("desk:person-erase", args=[ada.pk])

    question = administrator.post(address).content.decode()
    assert "This cannot be undone." in question
    assert User.objects.get(pk=ada.pk).erased_at is None

    administrator.post(address, {"confirmed": "yes"})
    assert User.objects.get(pk=ada.pk).erased_at is not None
    assert AuditEntry.objects.filter(action="erased", object_id=str(ada.pk)).exists()


@pytest.mark.parametrize("role", ["Viewer", "Operator", "Template editor"])
def test_others_may_not_erase(login: Login, ada: User, role: str) -> None:
    answer = login(role).post(reverse("desk:person-erase", args=[ada.pk]), {"confirmed": "yes"})

    assert answer.status_code == 403
    assert User.objects.get(pk=ada.pk).erased_at is None


def test_staff_are_erased_by_superusers_only(login: Login, ada: User) -> None:
    colleague = person("colleague", is_staff=True)
    address = reverse("desk:person-erase", args=[colleague.pk])

    assert login("Administrator").post(address, {"confirmed": "yes"}).status_code == 403
    assert login("Superuser").post(address, {"confirmed": "yes"}).status_code == 302


def test_an_erased_person_has_no_page(login: Login, client: Client, ada: User) -> None:
    with transaction.atomic():
        contacts.erase(ada.pk)

    assert login("Viewer").get(reverse("desk:person", args=[ada.pk])).status_code == 404
