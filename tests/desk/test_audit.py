"""The audit trail: who did what to whom, and nobody changes it."""

import pytest
from django.contrib.auth.models import Group
from django.db import DatabaseError, transaction

from apps.desk.models import AuditEntry
from apps.users import contacts
from apps.users.models import Suppression, User
from tests.desk.conftest import Login
from tests.notifications.factories import accepted


def test_the_page_says_who_did_what_to_whom(login: Login, ada: User) -> None:
    operator = login("Operator")
    row = accepted(ada)
    operator.get(f"/admin/messages/{row.pk}/")

    page = operator.get("/admin/audit/", {"about": str(row.pk)}).content.decode()

    assert "Operator" in page
    assert "read the content of" in page
    assert f"/admin/messages/{row.pk}/" in page
    assert "No act fits" in operator.get("/admin/audit/", {"action": "erased"}).content.decode()


def test_what_the_admin_logs_is_in_it(login: Login, ada: User) -> None:
    superuser = login("Superuser")
    group = Group.objects.create(name="Night shift")

    superuser.post(f"/admin/auth/group/{group.pk}/change/", {"name": "Day shift"})

    entry = AuditEntry.objects.get()
    assert (entry.action, entry.object_type, entry.object_id) == ("changed", "group", str(group.pk))
    assert "Name" in entry.detail


def test_what_is_deleted_at_once_is_in_it_one_by_one(login: Login) -> None:
    superuser = login("Superuser")
    contacts.suppress_all({"a@example.com": "manual", "b@example.com": "manual"})
    ids = [str(pk) for pk in Suppression.objects.values_list("pk", flat=True)]
    form = {"action": "delete_selected", "_selected_action": ids, "post": "yes"}

    superuser.post("/admin/users/suppression/", form)

    assert not Suppression.objects.exists()
    assert {entry.object_id for entry in AuditEntry.objects.filter(action="deleted")} == set(ids)


@pytest.mark.services
def test_the_database_refuses_changes(db: None) -> None:
    AuditEntry.objects.create(actor="staff:1", action="erased")

    for change in (AuditEntry.objects.all().delete, lambda: AuditEntry.objects.update(detail="x")):
        with pytest.raises(DatabaseError, match="only added to"), transaction.atomic():
            change()
    assert AuditEntry.objects.get().detail == ""
