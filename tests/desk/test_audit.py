"""The audit trail: who did what to whom, and nobody changes it."""

import pytest
from django.contrib.auth.models import Group
from django.db import DatabaseError, transaction

from apps.desk.models import AuditEntry
from apps.notifications.models import DeadLetter, SandboxMessage
from apps.users import contacts
from apps.users.models import Suppression, User
from tests.desk.conftest import Login
from tests.notifications.delivering import deliver_and_refresh
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


def trail(action: str) -> list[tuple[str, str]]:
    found = AuditEntry.objects.filter(action=action).order_by("pk")
    return list(found.values_list("object_type", "object_id"))


def test_who_reads_subjects_in_lists_is_in_it_once(login: Login, ada: User) -> None:
    row = accepted(ada, request_id="order-1")
    DeadLetter.objects.create(notification=row, reason="rejected", channel="email")
    operator = login("Operator")

    for _ in range(2):
        operator.get("/admin/messages/")
        operator.get(f"/admin/people/{ada.pk}/")
        operator.get("/admin/dead-letters/")

    assert trail("subjects_read") == [
        ("list of messages", ""),
        ("person", str(ada.pk)),
        ("list of dead letters", ""),
    ]


def test_a_list_without_subjects_is_no_reading(login: Login, ada: User) -> None:
    login("Operator").get("/admin/messages/")
    accepted(ada)
    login("Viewer").get("/admin/messages/")

    assert trail("subjects_read") == []


def test_who_reads_what_a_message_of_the_queue_says_is_in_it(login: Login, db: None) -> None:
    letter = DeadLetter.objects.create(
        message_id="m-1", reason="rejected", message={"body": "for ada"}
    )

    login("Viewer").get(f"/admin/dead-letters/{letter.pk}/")
    login("Operator").get(f"/admin/dead-letters/{letter.pk}/")

    assert trail("content_read") == [("dead letter", str(letter.pk))]


def test_who_reads_the_sandbox_is_in_it(login: Login, ada: User) -> None:
    row = accepted(ada)
    deliver_and_refresh(row)
    [message] = SandboxMessage.objects.filter(notification_id=row.pk)
    operator = login("Operator")

    operator.get("/sandbox/")
    operator.get(f"/sandbox/{message.pk}/")
    operator.get(f"/sandbox/{message.pk}/html/")

    assert trail("subjects_read") == [("list of the sandbox", "")]
    assert trail("content_read") == [("message", str(row.pk))]
