"""The desk in a real browser, on the real stack: who visits it, and what they find there."""

import shutil
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.journeys.desk.screens import ROLES, WIDE
from tests.journeys.http import Api, until
from tests.journeys.installation import Installation
from tests.journeys.visitor import Visitor

PASSWORD = "a-long-enough-passphrase"
MAKE_STAFF = """
from django.contrib.auth.models import Group
from apps.users.models import User
from django.utils import timezone
for role in {roles!r}:
    email = role.lower().replace(" ", "-") + "@example.com"
    user = User.objects.create_user(email=email, password={password!r}, name=role, is_staff=True,
                                    email_confirmed_at=timezone.now(), timezone="Europe/Berlin")
    user.groups.add(Group.objects.get(name=role))
"""


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium, "docker/services.sh chromium installs it"
    with sync_playwright() as playwright:
        # Chromium's own sandbox needs rights that a container does not give.
        running = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="package")
def staff(installation: Installation) -> None:
    installation.manage("shell", "-c", MAKE_STAFF.format(roles=ROLES, password=PASSWORD))


@pytest.fixture
def enter(browser: Browser, installation: Installation, staff: None) -> Iterator[Any]:
    """Log a member of staff in."""
    contexts: list[BrowserContext] = []
    visitors: list[Visitor] = []

    def entered(role: str, *, size: Any = WIDE, theme: Any = "light") -> Visitor:
        context = browser.new_context(viewport=size, color_scheme=theme)
        contexts.append(context)
        visitor = Visitor(context, f"http://127.0.0.1:{installation.port}")
        visitors.append(visitor)
        visitor.go("/admin/login/")
        visitor.page.fill("#id_username", f"{role.lower().replace(' ', '-')}@example.com")
        visitor.page.fill("#id_password", PASSWORD)
        visitor.page.click("[type=submit]")
        visitor.says("Home")
        return visitor

    yield entered
    for context in contexts:
        context.close()
    assert [line for visitor in visitors for line in visitor.complaints] == []


@pytest.fixture(scope="package")
def ada(installation: Installation, api: Api) -> dict[str, str]:
    """Ada, who got a mail."""
    name = f"Ada {uuid4().hex[:6]}"
    email = f"{uuid4().hex[:8]}@example.com"
    user = api.made("/api/v1/users/", {"name": name, "email": email})
    code = f"order-{uuid4().hex[:6]}"
    api.made(
        "/api/v1/templates/",
        {
            "code": code,
            "notification_type": "email",
            "name": "Order",
            "subject": "Order {{ number }} for {{ recipient.name }}",
            "html": "<style>b { color: red }</style><p>Order <b>{{ number }}</b></p>",
        },
    )
    sent = api.made(
        "/api/v1/notifications/",
        {
            "notification_type": "email",
            "user_id": user["id"],
            "template_code": code,
            "variables": {"number": "A-1"},
            "request_id": f"order-{uuid4().hex}",
        },
    )
    until(lambda: api.ended(sent["id"])["status"] == "sent", within=30, what="the mail")
    return {"name": name, "email": email, "id": sent["id"], "code": code, "user": user["id"]}


@pytest.fixture(scope="package")
def hook(api: Api) -> Iterator[dict[str, str]]:
    """A webhook with a test event that no worker delivers."""
    url = f"https://hooks.example.com/{uuid4().hex}"
    made = api.made("/api/v1/webhooks/", {"url": url, "events": ["notification.failed"]})
    place = f"/api/v1/webhooks/{made['id']}"
    sent = api.made(f"{place}/test", {})
    yield {
        "page": f"/admin/webhooks/{made['id']}/",
        "delivery": sent["id"],
        "secret": made["secret"],
    }
    api.call("DELETE", place)
