"""The desk in a real browser, on the real stack: each flow as the roles that have it."""

import shutil
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.journeys.http import Api, until
from tests.journeys.installation import Installation
from tests.journeys.visitor import Visitor

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

ROLES = ("Viewer", "Template editor", "Operator", "Administrator")
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
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
# What a browser window of 1,280 pixels has left at 200 %.
ZOOMED = {"width": 640, "height": 450}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium, "docker/services.sh chromium installs it"
    with sync_playwright() as playwright:
        # Chromium's own sandbox needs rights that a container does not give.
        running = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
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


def places(visitor: Visitor) -> list[str]:
    links = visitor.page.locator(".desk-menu a")
    return [links.nth(number).get_attribute("href") or "" for number in range(links.count())]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("size", "theme"), [(WIDE, "light"), (PHONE, "dark"), (ZOOMED, "light")])
def test_every_place_is_for_everybody(
    enter: Any, ada: dict[str, str], hook: dict[str, str], role: str, size: Any, theme: str
) -> None:
    visitor = enter(role, size=size, theme=theme)
    pages = places(visitor)
    pages += [
        f"/admin/messages/{ada['id']}/",
        f"/admin/people/{ada['user']}/",
        f"/admin/templates/{ada['code']}/",
        f"/admin/templates/{ada['code']}/review/1/",
        "/admin/processes/",
        "/admin/providers/unmatched/",
        "/admin/dead-letters/replays/",
        hook["page"],
        f"{hook['page']}deliveries/{hook['delivery']}/",
        "/",
        "/api/v1/",
        "/api/v1/notifications/",
    ]

    found = {}
    for path in pages:
        visitor.go(path)
        width = visitor.page.evaluate("document.documentElement.scrollWidth")
        problems = visitor.violations()
        if width > size["width"]:
            problems.append(f"{width} pixels wide")
        if problems:
            found[path] = problems

    assert len(pages) >= 10
    assert found == {}


def test_the_keyboard_alone_is_enough(enter: Any, ada: dict[str, str]) -> None:
    operator = enter("Operator")
    operator.go("/admin/messages/")

    operator.page.keyboard.press("Tab")
    first = operator.focused()
    while "Dead letters" not in operator.focused():
        operator.page.keyboard.press("Tab")
    outline = operator.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    operator.page.keyboard.press("Enter")

    operator.page.wait_for_url("**/admin/dead-letters/")
    assert "Skip" in first
    assert outline != "none"


def test_who_got_what_and_what_did_it_say(enter: Any, ada: dict[str, str]) -> None:
    operator = enter("Operator")

    operator.page.keyboard.press("/")
    operator.page.keyboard.type(ada["email"])
    operator.page.keyboard.press("Enter")
    operator.says("Everything sent")
    operator.page.get_by_role("link", name=f"Order A-1 for {ada['name']}").click()

    operator.says("took the mail; nothing says yet whether it arrived.")
    frame = operator.page.frame_locator("iframe[name=mail]")
    assert frame.locator("b").get_attribute("style") == "color: red;"
    operator.page.get_by_text("Text", exact=True).click()
    operator.says("Order A-1")


def test_a_message_is_sent_to_oneself_after_a_question(
    enter: Any, ada: dict[str, str], installation: Installation
) -> None:
    operator = enter("Operator")
    operator.go(f"/admin/messages/{ada['id']}/")

    operator.press("Send to me…")
    operator.says("The recipient gets nothing.")
    operator.press("Send to me 1")

    operator.says("1 sent to you.")
    until(
        lambda: any("operator@example.com" in mail.recipient for mail in installation.smtp.mails),
        within=30,
        what="the copy",
    )


def test_a_template_is_written_tried_out_and_released(enter: Any, ada: dict[str, str]) -> None:
    editor = enter("Template editor")
    editor.go(f"/admin/templates/{ada['code']}/")
    frame = editor.page.frame_locator("#preview-frame")
    frame.get_by_text("Order number").wait_for()

    subject = editor.page.get_by_role("textbox", name="Subject")
    subject.click()
    subject.press("End")
    subject.press_sequentially(" {{ numb")
    editor.page.locator(".cm-tooltip-autocomplete").get_by_text("number").first.wait_for()
    subject.press("Escape")
    subject.press_sequentially("er | bogus")
    editor.says("unknown filter 'bogus'")
    for _ in "| bogus":
        subject.press("Backspace")
    editor.page.get_by_text("Order number for Ada Lovelace number").wait_for()

    editor.page.get_by_role("textbox", name="HTML").click()
    editor.page.keyboard.press("Control+End")
    editor.page.keyboard.insert_text("<p>{{ greeting }}</p>")
    editor.says("Callers would have to bring: greeting")
    editor.press("Review and publish…")
    editor.says("such calls are refused then")
    editor.press("Publish version 2")
    editor.says("Version 2 (en) is sent from now on.")

    editor.page.get_by_role("link", name="Go back to it…").click()
    editor.press("Publish version 1")
    editor.says("Version 1 (en) is sent from now on.")


def test_a_viewer_reads_no_content(enter: Any, ada: dict[str, str]) -> None:
    viewer = enter("Viewer")
    viewer.go(f"/admin/messages/{ada['id']}/")

    viewer.says("Your role does not read the content of messages.")
    assert ada["name"] in viewer.page.content()
    assert "Order A-1" not in viewer.page.content()


def test_a_dead_letter_is_decided_on(
    enter: Any, ada: dict[str, str], api: Api, installation: Installation
) -> None:
    template, bob = api.mail_template(), api.user("bob")
    address = api.call("GET", f"/api/v1/users/{bob}").body["email"]
    installation.smtp.answer("rcpt", "550 5.6.0 Not this content", recipient=address)
    try:
        failed = api.send("email", bob, template)
        assert api.ended(failed)["status"] == "failed"
    finally:
        installation.smtp.rules.clear()
    letters = f"/admin/dead-letters/?template_code={template}"
    operator = enter("Operator")
    until(lambda: _shows(operator, letters, "refused the message"), within=30, what="the letter")
    assert operator.violations() == []

    operator.page.locator("table.rows a[href^='/admin/dead-letters/']").first.click()
    operator.says("Not this content")
    operator.press("Discard…")
    operator.page.fill("#note", "Bob has left the company.")
    operator.press("Discard 1")

    operator.says("1 discarded")
    operator.go("/admin/audit/?action=discarded")
    operator.says("Operator")


def _shows(visitor: Visitor, path: str, words: str) -> bool:
    visitor.go(path)
    return words in visitor.page.content()


def test_the_errors_of_an_upload_are_read_and_downloaded(
    enter: Any, api: Api, installation: Installation
) -> None:
    template, carol = api.mail_template(), api.user("carol")
    content = (
        "user_id,notification_type,template_code,variables.name\n"
        f"{carol},email,{template},Carol\n"
        f"{uuid4()},email,{template},=nobody()\n"
    )
    started = api.call("POST", "/api/v1/batches/upload", content.encode(), Content_Type="text/csv")
    assert started.status == 202, started.body
    address = f"/admin/batches/{started.body['batch_id']}/"
    operator = enter("Operator")
    until(lambda: _shows(operator, address, "There is no such user"), within=30, what="the error")
    assert operator.violations() == []

    with operator.page.expect_download() as download:
        operator.page.get_by_role("link", name="as CSV").click()

    text = download.value.path().read_text(encoding="utf-8-sig")
    assert text.splitlines()[0].startswith("user_id,notification_type,template_code,variables.name")
    assert "'=nobody()" in text


def test_a_breaker_is_forced_with_a_reason_and_an_end(
    enter: Any, installation: Installation
) -> None:
    operator, viewer = enter("Operator"), enter("Viewer")
    operator.go("/admin/providers/")
    operator.press("Test the connection")
    operator.says("smtp")

    operator.page.get_by_role("link", name="Force…").first.click()
    operator.page.locator("input[name=way]").first.check()
    operator.page.locator("input[name=length]").first.check()
    operator.page.fill("#reason", "The relay is being moved.")
    operator.press("Force it")
    try:
        operator.says("The relay is being moved.")
        viewer.page.wait_for_timeout(3_000)
        viewer.go("/admin/messages/")
        viewer.says("by hand")
        assert viewer.violations() == []
    finally:
        operator.go("/admin/providers/")
        operator.press("Give back")
    operator.page.wait_for_timeout(3_000)
    operator.go("/admin/")
    assert "The relay is being moved." not in operator.page.content()


def test_a_webhook_is_tried_and_gets_a_new_secret(enter: Any, hook: dict[str, str]) -> None:
    operator = enter("Operator")
    operator.go(hook["page"])
    operator.page.get_by_role("link", name="Deliver a window again…").click()
    operator.says("see first how many there are")
    assert operator.violations() == []
    operator.page.go_back()

    operator.press("Send a test event…")
    operator.says("One event that tells of nothing")
    assert operator.violations() == []
    operator.press("Send it")
    operator.says("A test event is on its way")

    operator.press("New secret…")
    operator.press("Make a new secret")
    operator.says("it is shown this once")
    assert operator.violations() == []
    secret = operator.page.locator("pre").inner_text()
    assert secret.startswith("whsec_")
    assert secret != hook["secret"]
    operator.page.get_by_role("link", name="Done").click()
    operator.says("Operator gave a new secret to it")
    assert "whsec_" not in operator.page.content()


def test_people_come_from_a_file_after_a_trial(enter: Any, installation: Installation) -> None:
    administrator = enter("Administrator")
    name = f"Grace {uuid4().hex[:6]}"
    upload = {
        "name": "people.csv",
        "mimeType": "text/csv",
        "buffer": f"email,name\n{uuid4().hex[:8]}@example.com,{name}\n,Nobody\n".encode(),
    }
    administrator.go("/admin/people/import/")
    administrator.page.set_input_files("#id_file", upload)
    administrator.press("Read the file")
    administrator.says("What it would do")
    assert administrator.violations() == []

    administrator.page.set_input_files("#id_file", upload)
    administrator.page.get_by_label("Create the people").check()
    administrator.press("Read the file")
    administrator.says("1 people were created.")
    administrator.go(f"/admin/people/?q={name}")
    administrator.says(name)


def test_an_error_has_a_way_back(enter: Any, installation: Installation) -> None:
    viewer = enter("Viewer")

    viewer.page.goto(f"{viewer.base}/admin/messages/{uuid4()}/")

    viewer.says("Correlation id")
    assert viewer.violations() == []
    viewer.page.get_by_role("link", name="Home").first.click()
    viewer.says("accepted")
    # The browser itself complains about the status.
    viewer.complaints = [line for line in viewer.complaints if "404" not in line]
