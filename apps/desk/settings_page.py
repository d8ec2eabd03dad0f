"""The settings: what is not looked at every day, each page only for those who may."""

from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET

from apps.desk.pages import may, show


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One page of the settings."""

    title: str
    said: str
    address: str
    permission: str


ENTRIES = (
    Entry(
        title="API keys",
        said="Who may call the API, and what each key may do",
        address="admin:users_apikey_changelist",
        permission="users.view_apikey",
    ),
    Entry(
        title="Suppression list",
        said="Addresses that get no mail, and why",
        address="admin:users_suppression_changelist",
        permission="users.view_suppression",
    ),
    Entry(
        title="Retention",
        said="How long messages are kept, by client",
        address="admin:notifications_retentionrule_changelist",
        permission="notifications.view_retentionrule",
    ),
    Entry(
        title="Staff and their rights",
        said="Who may see and do what",
        address="admin:users_user_changelist",
        permission="users.view_user",
    ),
    Entry(
        title="Roles",
        said="Groups of rights",
        address="admin:auth_group_changelist",
        permission="auth.view_group",
    ),
    Entry(
        title="Audit",
        said="Who did what to whom",
        address="desk:audit",
        permission="desk.view_auditentry",
    ),
    Entry(
        title="Processes",
        said="What runs, and who serves which queue",
        address="desk:processes",
        permission="notifications.view_heartbeat",
    ),
    Entry(
        title="Reports without a message",
        said="What providers reported about no message that is here",
        address="desk:unmatched",
        permission="notifications.view_receipt",
    ),
    Entry(
        title="Bulk replays",
        said="Replays of many dead letters at a rate",
        address="desk:replay-start",
        permission="notifications.view_deadletterreplay",
    ),
    Entry(
        title="Sandbox",
        said="What would have been sent",
        address="sandbox:list",
        permission="desk.view_content",
    ),
)


@require_GET
def settings_page(request: HttpRequest) -> HttpResponse:
    """Show the pages of the settings that the user may see, and how the service is set up."""
    context = {
        "title": "Settings",
        "entries": [
            {"title": one.title, "said": one.said, "url": reverse(one.address)}
            for one in ENTRIES
            if may(request, one.permission)
        ],
        "facts": {
            "Version": settings.VERSION,
            "Mail is sent by": ", ".join(settings.EMAIL_PROVIDERS),
            "Pushes are sent by": ", ".join(settings.PUSH_PROVIDERS),
            "Sender": settings.DEFAULT_FROM_EMAIL,
            "Public address": settings.PUBLIC_URL,
        },
    }
    return show(request, "desk/settings.html", context)
