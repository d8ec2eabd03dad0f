"""What each role is offered: the buttons of a page are those of acts that would be done."""

import re
from collections.abc import Mapping

import pytest
from django.utils import timezone

from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Batch, BatchState, DeadLetter
from apps.users.models import User
from tests.desk.conftest import Login
from tests.desk.webhook_rows import attempt, delivery, webhook
from tests.notifications.factories import accepted, row_with_status

AUTHORS = {"Template editor", "Administrator", "Superuser"}
OPERATORS = {"Operator", "Administrator", "Superuser"}
ADMINISTRATORS = {"Administrator", "Superuser"}
# Who is offered what, by page. What is not here is offered to every role that sees the page.
OFFERS: Mapping[str, Mapping[str, set[str]]] = {
    "waiting": {"Cancel…": OPERATORS, "Send to me…": OPERATORS},
    "failed": {"Replay…": OPERATORS, "Send to me…": OPERATORS},
    "people": {
        "Find": {"Viewer", "Template editor", *OPERATORS},
        "All as CSV": OPERATORS,
        "From a file…": ADMINISTRATORS,
        "Add a person": ADMINISTRATORS,
    },
    "person": {
        "Export as JSON": OPERATORS,
        "Change": ADMINISTRATORS,
        "Erase…": ADMINISTRATORS,
    },
    "studio": {
        "Save draft": AUTHORS,
        "Review and publish…": AUTHORS,
        "Duplicate…": AUTHORS,
        "Archive": AUTHORS,
        "Send to me": AUTHORS | OPERATORS,
    },
    "providers": {"Force…": OPERATORS, "Test the connection": OPERATORS},
    "letter": {"Replay…": OPERATORS, "Discard…": OPERATORS},
    "batch": {"Pause…": OPERATORS, "Cancel…": OPERATORS},
    "webhook": {
        "Send a test event…": OPERATORS,
        "Disable…": OPERATORS,
        "New secret…": OPERATORS,
        "Delete…": OPERATORS,
        "Deliver a window again…": OPERATORS,
        # It is enabled.
        "Enable…": set(),
    },
    "disabled webhook": {
        "Enable…": OPERATORS,
        "Delete…": OPERATORS,
        "Send a test event…": set(),
        "Deliver a window again…": set(),
    },
    "delivery": {"Deliver again…": OPERATORS},
}
BUTTON = re.compile(r'<(?:button|a class="button)[^>]*>\s*([^<]+?)\s*<')


@pytest.mark.parametrize(
    "role", ["Viewer", "Template editor", "Operator", "Administrator", "Superuser"]
)
def test_a_role_is_offered_what_it_may_do(role: str, login: Login, ada: User) -> None:
    waiting = accepted(ada)
    failed = row_with_status(ada, Status.FAILED, reason="rejected")
    letter = DeadLetter.objects.create(notification=failed, reason="rejected", channel="email")
    batch = Batch.objects.create(
        client="shop", kind="live", source="upload", body_digest=b"x", state=BatchState.RUNNING
    )
    hook = webhook()
    disabled = webhook(enabled=False, disabled_reason="gone", disabled_at=timezone.now())
    told = delivery(hook, attempt(204))
    pages = {
        "waiting": f"messages/{waiting.pk}/",
        "failed": f"messages/{failed.pk}/",
        "people": "people/",
        "person": f"people/{ada.pk}/",
        "studio": "templates/welcome/",
        "providers": "providers/",
        "letter": f"dead-letters/{letter.pk}/",
        "batch": f"batches/{batch.pk}/",
        "webhook": f"webhooks/{hook.pk}/",
        "disabled webhook": f"webhooks/{disabled.pk}/",
        "delivery": f"webhooks/{hook.pk}/deliveries/{told.pk}/",
    }
    staff = login(role)

    offered = {
        name: set(BUTTON.findall(staff.get(f"/admin/{path}").content.decode()))
        for name, path in pages.items()
    }

    expected = {name: {one for one in acts if role in acts[one]} for name, acts in OFFERS.items()}
    assert {name: offered[name] & set(OFFERS[name]) for name in OFFERS} == expected
