"""A member of staff at the desk, in a browser."""

from typing import Any

from playwright.sync_api import BrowserContext, Page

from tests.journeys.processes import BIN

AXE = BIN.parent / "browser/node_modules/axe-core/axe.min.js"
SERIOUS = {"serious", "critical"}


class Visitor:
    """A member of staff at the desk, in a browser.

    Attributes:
        page: The page.
        complaints: Errors of the console and violations of the policy.
    """

    def __init__(self, context: BrowserContext, base: str) -> None:
        self.base = base
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._asked)

    def _heard(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.base, "data:", "about:", "blob:")):
            self.complaints.append(f"asks for {request.url}")

    def go(self, path: str) -> None:
        answer = self.page.goto(f"{self.base}{path}")
        assert answer is not None
        assert answer.status == 200, (path, answer.status)

    def says(self, words: str) -> None:
        """Wait until the page says something."""
        self.page.get_by_text(words).first.wait_for(timeout=10_000)

    def press(self, words: str) -> None:
        self.page.get_by_role("button", name=words).first.click()

    def focused(self) -> str:
        """Return the text of the element that has the focus."""
        return str(self.page.evaluate("document.activeElement.textContent"))

    def violations(self) -> list[str]:
        """Return what axe finds that shuts people out."""
        self.page.evaluate(AXE.read_text())
        found = self.page.evaluate("axe.run(document, {iframes: false})")
        return [
            f"{one['id']}: {one['nodes'][0]['html'][:120]}"
            for one in found["violations"]
            if one["impact"] in SERIOUS
        ]
