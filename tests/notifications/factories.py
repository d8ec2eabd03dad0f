"""Users, templates, requests, rows and clients that the pipeline's tests share."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from apps.common.callers import Caller, Kind, Scope
from apps.notifications.intake import accept
from apps.notifications.intake.requests import SendRequest
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notification
from apps.templates import versions
from apps.templates.content import check
from apps.users import api_keys
from apps.users.models import Device, User

SHOP = Caller(client="shop", scopes=frozenset(Scope))
TEST_CALLER = Caller(client="shop", kind=Kind.TEST, scopes=frozenset(Scope))
VARIABLES = {"name": "Ada", "link": "https://example.com/a"}

EMAIL = {"subject": "Welcome, {{ name }}", "body": "Hello {{ name }}, see {{ link }}"}
# Statements for the counts of new rows: PostgreSQL inserts them together with the rows.
SEPARATE_COUNTS = 0 if connection.vendor == "postgresql" else 1

PUSH = {"title": "Parcel {{ number }}", "body": "It is on its way."}


def person(name: str, *, tokens: tuple[str, ...] = (), **fields: Any) -> User:
    """Create a user who can be reached by mail, and by push if tokens are given."""
    fields = {
        "name": name.title(),
        "email": f"{name}@example.com",
        "email_confirmed_at": timezone.now(),
        **fields,
    }
    user = User.objects.create_user(**fields)
    for token in tokens:
        Device.objects.create(user=user, token=token, platform="android")
    return user


def template(
    code: str, channel: str = "email", content: dict[str, str] | None = None, **fields: Any
) -> None:
    """Create a template with a published version 1."""
    said = content or (EMAIL if channel == "email" else PUSH)
    new = versions.NewTemplate(
        code=code,
        channel=channel,
        name=code.title(),
        **{"default_language": "en", "category": "general", **fields},
    )
    versions.create(template=new, content=check(channel, said), author="tests")


def a_request(user: User, **changes: Any) -> SendRequest:
    """Make a request for the welcome mail, or with ``notification_type="push"`` the parcel push."""
    push = changes.get("notification_type") == "push"
    fields: dict[str, Any] = {
        "notification_type": "email",
        "user_id": user.pk,
        "template_code": "parcel" if push else "welcome",
        "variables": {"number": 7} if push else dict(VARIABLES),
    }
    return SendRequest(**{**fields, **changes})


def accepted(user: User, *, caller: Caller = SHOP, **changes: Any) -> Notification:
    """Accept a notification as the API does, and return its row."""
    return accept.accept(a_request(user, **changes), caller=caller).notification


def row_with_status(
    user: User, status: Status, *, caller: Caller = SHOP, **columns: Any
) -> Notification:
    """Create a notification with a given status, as if the pipeline had moved it there."""
    row = accepted(user, caller=caller)
    Notification.objects.filter(pk=row.pk).update(status=status, **columns)
    row.refresh_from_db()
    return row


def make_overdue(*rows: Notification, **columns: Any) -> None:
    """Make rows due for the sweep, one second ago."""
    due = timezone.now() - timedelta(seconds=1)
    Notification.objects.filter(pk__in=[row.pk for row in rows]).update(wake_at=due, **columns)


def body(user: User | UUID | str, **changes: Any) -> dict[str, Any]:
    """Make the JSON body of a request for the welcome mail."""
    fields: dict[str, Any] = {
        "notification_type": "email",
        "user_id": str(user.pk if isinstance(user, User) else user),
        "template_code": "welcome",
        "variables": dict(VARIABLES),
    }
    return {**fields, **changes}


def client_with(*scopes: Scope, client: str = "shop", kind: Kind = Kind.LIVE) -> APIClient:
    """Return an API client with a key of its own; without scopes it has all of them."""
    _, plain = api_keys.create(name=client, client=client, kind=kind, scopes=scopes or None)
    caller = APIClient(raise_request_exception=False)
    caller.credentials(HTTP_AUTHORIZATION=f"Api-Key {plain}")
    return caller
