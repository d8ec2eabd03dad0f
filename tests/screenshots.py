"""Take pictures of the desk: ``make screenshots``. They show an installation made for it alone.

All of them go to ``var/screenshots``, at two widths and in both themes; those of ``SHOWN`` go to
``docs/images`` as well, where the README and ``docs/desk.md`` show them.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.fakes.http_server import Answer, Request
from tests.fakes.webhook_receiver import WebhookReceiver
from tests.journeys.checkout import Checkout
from tests.journeys.http import Api, until
from tests.journeys.processes import ROOT

FOLDER = ROOT / "var/screenshots"
IMAGES = ROOT / "docs/images"
SIZES = {"wide": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
THEMES = ("light", "dark")
# Pictures for the documents: the name of the page, its size and theme, and how much of it.
SHOWN: Mapping[str, tuple[str, str, str, bool]] = {
    "home": ("home", "wide", "light", False),
    "messages": ("messages", "wide", "light", False),
    "message": ("message", "wide", "light", True),
    "studio": ("studio", "wide", "light", False),
    "person": ("person", "wide", "dark", False),
    "phone": ("messages", "phone", "dark", False),
    "sandbox": ("sandbox", "wide", "light", False),
}
PEOPLE = (
    "Ada Lovelace",
    "Grace Hopper",
    "Alan Turing",
    "Edsger Dijkstra",
    "Barbara Liskov",
    "Katherine Johnson",
)
# The sandbox plays a failure for these.
TROUBLED = ("bounce", "flaky", "reject")
ORDER = """<html><head><style>
  body { font-family: sans-serif; background: #f4f6f9 }
  h1 { color: #2456c5 }
  .box { background: #fff; padding: 24px; border-radius: 8px }
  td { padding: 4px 12px 4px 0 }
</style></head><body><div class="box">
<h1>Hello {{ recipient.name }},</h1>
<p>your order <b>{{ order.number }}</b> is on its way.</p>
<table>{% for line in order.lines %}<tr><td>{{ line.title }}</td>
<td>{{ line.price | money: 'EUR' }}</td></tr>{% endfor %}</table>
<p><a href="{{ link }}">Track it</a></p>
</div></body></html>"""


@dataclass(frozen=True, kw_only=True)
class Story:
    """What the pictures show: the addresses of pages by the names of their pictures."""

    pages: Mapping[str, str]


def main() -> None:
    """Start an installation, fill it, and take the pictures."""
    chromium = shutil.which("chromium")
    assert chromium, "docker/services.sh chromium installs it"
    FOLDER.mkdir(parents=True, exist_ok=True)
    IMAGES.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        WebhookReceiver() as receiver,
        sync_playwright() as playwright,
    ):
        copy = Checkout(Path(folder))
        running = copy.run(WEBHOOK_ALLOW_PRIVATE="true")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            story = tell(copy.api, copy.printed(r"Demo user +(\S+)"), receiver)
            for path in take(browser, copy, story):
                print(path.relative_to(ROOT))  # noqa: T201 - it is a command.
        finally:
            browser.close()
            running.kill()


def tell(api: Api, demo_user: str, receiver: WebhookReceiver) -> Story:
    """Fill the installation with people, templates, messages and a webhook that is told of them."""
    receiver.script = _sometimes
    hook = api.made("/api/v1/webhooks/", {"url": receiver.hook, "events": ["*"]})
    people = [
        api.made("/api/v1/users/", {"name": name, "email": f"{_slug(name)}@example.com"})["id"]
        for name in PEOPLE
    ]
    troubled = [
        api.made("/api/v1/users/", {"name": name.title(), "email": f"{name}@example.com"})["id"]
        for name in TROUBLED
    ]
    api.made(
        "/api/v1/templates/",
        {
            "code": "order-on-its-way",
            "notification_type": "email",
            "name": "Order on its way",
            "subject": "Your order {{ order.number }} is on its way",
            "html": ORDER,
        },
    )
    sent = [_order(api, number, user) for number, user in enumerate((people * 6 + troubled)[::-1])]
    for number in range(8):
        _push(api, demo_user, number)
    until(lambda: api.ended(sent[-1])["status"] == "delivered", within=60, what="the last order")
    receiver.wait_for(2 * len(sent))
    # The event that was refused waits for five minutes.
    waiting = f"/api/v1/webhooks/{hook['id']}/deliveries?state=pending"

    def refused_twice() -> dict[str, Any] | None:
        found = api.call("GET", waiting).body["results"]
        return found[0] if found and len(found[0]["attempts"]) > 1 else None

    delivery = until(refused_twice, within=60, what="the second attempt of a refused event")
    return Story(
        pages={
            "home": "/admin/",
            "messages": "/admin/messages/",
            "message": f"/admin/messages/{sent[-1]}/",
            "people": "/admin/people/",
            "person": f"/admin/people/{people[0]}/",
            "templates": "/admin/templates/",
            "studio": "/admin/templates/order-on-its-way/",
            "batches": "/admin/batches/",
            "dead-letters": "/admin/dead-letters/",
            "providers": "/admin/providers/",
            "webhooks": "/admin/webhooks/",
            "webhook": f"/admin/webhooks/{hook['id']}/",
            "delivery": f"/admin/webhooks/{hook['id']}/deliveries/{delivery['id']}/",
            "unmatched": "/admin/providers/unmatched/",
            "suppressions": "/admin/users/suppression/",
            "settings": "/admin/settings/",
            "processes": "/admin/processes/",
            "audit": "/admin/audit/",
            "sandbox": "/sandbox/",
            "api": "/api/v1/",
            "front": "/",
        }
    )


def _sometimes(request: Request) -> Answer:
    """Refuse the events of a few notifications."""
    if b'"status":"bounced"' in request.body.replace(b" ", b""):
        return Answer(status=503, body=b"try again")
    return Answer(status=204)


def _slug(name: str) -> str:
    return name.lower().replace(" ", ".")


def _order(api: Api, number: int, user: str) -> str:
    order = {
        "number": f"A-{1000 + number}",
        "lines": [{"title": "Fountain pen", "price": 24.9}, {"title": "Ink", "price": 6.5}],
    }
    body: dict[str, Any] = {
        "notification_type": "email",
        "user_id": user,
        "template_code": "order-on-its-way",
        "variables": {"order": order, "link": "https://example.com/track"},
    }
    return str(api.made("/api/v1/notifications/", body)["id"])


def _push(api: Api, user: str, number: int) -> None:
    body = {
        "notification_type": "push",
        "user_id": user,
        "template_code": "order-shipped",
        "variables": {"name": "Ada", "order": f"A-{1000 + number}", "link": "https://example.com"},
    }
    api.made("/api/v1/notifications/", body)


def take(browser: Browser, copy: Checkout, story: Story) -> Iterator[Path]:
    """Take every picture, and yield where it is."""
    base = f"http://127.0.0.1:{copy.port}"
    address, password = copy.printed(r"(staff@example\.com / \S+)").split(" / ")
    first = browser.new_context()
    page = first.new_page()
    page.goto(f"{base}/admin/login/")
    page.fill("#id_username", address)
    page.fill("#id_password", password)
    page.click("[type=submit]")
    page.wait_for_url(f"{base}/admin/")
    state: Any = first.storage_state()
    for size, viewport in SIZES.items():
        for theme in THEMES:
            context = browser.new_context(
                viewport=viewport,  # type: ignore[arg-type] # A dictionary is what it takes.
                color_scheme=theme,  # type: ignore[arg-type] # As above.
                storage_state=state,
            )
            page = context.new_page()
            for name, path in story.pages.items():
                page.goto(f"{base}{path}", wait_until="networkidle")
                yield _picture(page, FOLDER / f"{name}-{size}-{theme}.png", whole=True)
                for shown, (source, *look, whole) in SHOWN.items():
                    if (source, *look) == (name, size, theme):
                        yield _picture(page, IMAGES / f"{shown}.png", whole=bool(whole))
            context.close()


def _picture(page: Page, path: Path, *, whole: bool) -> Path:
    page.screenshot(path=path, full_page=whole)
    return path


if __name__ == "__main__":
    main()
