"""Every page as every role: it opens, or it is refused; it never fails."""

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from apps.notifications.dead_letters import replay_many
from apps.notifications.dead_letters.filters import Filter
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Batch, DeadLetter
from apps.notifications.operations.roles import ROLES
from apps.templates.models import Template, TemplateVersion
from apps.users.models import User
from tests.desk.conftest import Login
from tests.desk.webhook_rows import attempt, delivery, webhook
from tests.notifications.factories import accepted, row_with_status

STAFF = (*ROLES, "Superuser")
DESK = (
    "home",
    "messages",
    "people",
    "templates",
    "settings",
    "audit",
    "search",
    "letters",
    "replay-start",
    "batches",
    "unmatched",
    "webhooks",
)


def addresses(ada: User) -> list[str]:
    """Return the addresses of all pages of the desk and of Django's admin."""
    mail, push = accepted(ada), accepted(ada, notification_type="push")
    failed = row_with_status(ada, Status.FAILED, reason="rejected")
    letter = DeadLetter.objects.create(notification=failed, reason="rejected", channel="email")
    poison = DeadLetter.objects.create(message_id="m-1", reason="delivery_limit")
    replay = replay_many.start(Filter(), kind="", by="operator")
    found = [reverse(f"desk:{name}") for name in DESK]
    found += [reverse("desk:message", args=[row.pk]) for row in (mail, push, failed)]
    found += [reverse("desk:message-html", args=[mail.pk])]
    found += [reverse("desk:letter", args=[one.pk]) for one in (letter, poison)]
    found += [reverse("desk:replay", args=[replay.pk])]
    batch = Batch.objects.create(client="shop", kind="live", source="upload", body_digest=b"x" * 32)
    found += [reverse("desk:batch", args=[batch.pk])]
    found += [reverse("desk:batch-errors", args=[batch.pk, one]) for one in ("csv", "ndjson")]
    found += [reverse("desk:person", args=[ada.pk]), reverse("desk:person-export", args=[ada.pk])]
    found += [reverse("desk:studio", args=[code]) for code in ("welcome", "parcel")]
    found += [reverse("desk:review", args=["welcome", 1]), reverse("desk:new-template")]
    found += [reverse("desk:duplicate", args=["welcome"])]
    found += [reverse("desk:import"), reverse("desk:export")]
    hook = webhook()
    told = delivery(hook, attempt(503))
    found += [reverse(f"desk:{name}", args=[hook.pk]) for name in ("webhook", "webhook-window")]
    found += [reverse("desk:webhook-delivery", args=[hook.pk, told.pk])]
    found += [reverse("providers"), reverse("sandbox:list"), reverse("admin:password_change")]
    shown = {
        Template: Template.objects.all(),
        TemplateVersion: TemplateVersion.objects.all(),
        User: User.objects.filter(pk=ada.pk),
        type(mail): type(mail).objects.all(),
        DeadLetter: DeadLetter.objects.all(),
    }
    for model, model_admin in admin.site._registry.items():
        route = f"admin:{model_admin.opts.app_label}_{model_admin.opts.model_name}"
        found += [reverse(f"{route}_changelist"), reverse(f"{route}_add")]
        for row in shown.get(model, ()):
            found += [reverse(f"{route}_{page}", args=[row.pk]) for page in ("change", "history")]
    return found


@pytest.mark.parametrize("role", STAFF)
def test_every_page_opens_or_is_refused(role: str, login: Login, ada: User) -> None:
    client = login(role)

    statuses = {address: client.get(address).status_code for address in addresses(ada)}

    unexpected = {
        address: status for address, status in statuses.items() if status not in {200, 403, 404}
    }
    # A mail of text alone has no HTML.
    assert {one for one, status in statuses.items() if status == 404} <= {
        address for address in statuses if address.endswith("/html/")
    }
    assert unexpected == {}
    opened = {address for address, status in statuses.items() if status == 200}
    assert {reverse("desk:home"), reverse("desk:messages"), reverse("desk:people")} <= opened


@pytest.mark.parametrize("role", STAFF)
def test_the_menu_leads_nowhere_that_is_refused(role: str, login: Login, ada: User) -> None:
    client = login(role)
    page = client.get(reverse("desk:home")).content.decode()
    menu = page[page.index('class="desk-menu"') :]
    menu = menu[: menu.index("</nav>")]
    links = [part.split('"')[0] for part in menu.split('href="')[1:]]

    assert len(links) >= 6
    assert {link: client.get(link).status_code for link in links} == dict.fromkeys(links, 200)


def test_the_desk_is_for_staff_only(ada: User) -> None:
    anonymous = Client()
    assert anonymous.get(reverse("desk:messages")).status_code == 302
    anonymous.force_login(ada)
    assert anonymous.get(reverse("desk:messages")).status_code == 302
