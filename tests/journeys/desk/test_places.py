"""Each place of the desk in a real browser, as each role, at three sizes and by keyboard."""

from typing import Any
from uuid import uuid4

import pytest

from tests.journeys.desk.screens import PHONE, ROLES, WIDE, ZOOMED
from tests.journeys.installation import Installation
from tests.journeys.visitor import Visitor

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]


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


def test_a_viewer_reads_no_content(enter: Any, ada: dict[str, str]) -> None:
    viewer = enter("Viewer")
    viewer.go(f"/admin/messages/{ada['id']}/")

    viewer.says("Your role does not read the content of messages.")
    assert ada["name"] in viewer.page.content()
    assert "Order A-1" not in viewer.page.content()


def test_an_error_has_a_way_back(enter: Any, installation: Installation) -> None:
    viewer = enter("Viewer")

    viewer.page.goto(f"{viewer.base}/admin/messages/{uuid4()}/")

    viewer.says("Correlation id")
    assert viewer.violations() == []
    viewer.page.get_by_role("link", name="Home").first.click()
    viewer.says("accepted")
    # The browser itself complains about the status.
    viewer.complaints = [line for line in viewer.complaints if "404" not in line]
