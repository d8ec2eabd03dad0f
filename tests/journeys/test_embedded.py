"""The first minutes with ``make run``: one command, the printed curl, the mail in the browser."""

import asyncio
import json
import re
import signal
import subprocess
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

from apps.notifications.providers.smtp.provider import SmtpProvider
from tests.fakes.smtp_server import Conversation, SmtpServer
from tests.journeys.checkout import Checkout
from tests.journeys.http import until
from tests.journeys.processes import BIN

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(120)]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_the_printed_curl_works_and_the_mail_can_be_read(checkout: Checkout) -> None:
    running = checkout.run()
    try:
        curl = checkout.printed(r"curl -sS .*?\}'")
        accepted = json.loads(subprocess.check_output(["/bin/sh", "-c", curl]))  # noqa: S603 - the printed command.
        assert accepted["status"] == "pending"
        status = checkout.api.ended(accepted["id"])
        assert (status["status"], status["attempts"]) == ("delivered", 1)

        # Links lead to the port of this server, in lists and in mails alike.
        subprocess.check_output(["/bin/sh", "-c", curl])  # noqa: S603 - as above.
        page = checkout.api.call("GET", "/api/v1/notifications/?page_size=1").body
        assert page["next"].startswith(f"http://127.0.0.1:{checkout.port}/api/v1/notifications/?")

        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        sandbox = browser.open(checkout.printed(r"Sandbox +(http\S+)"), timeout=10).read().decode()
        detail = re.findall(r'href="(/sandbox/[0-9a-f-]{36}/?)"', sandbox)[0]
        base = f"http://127.0.0.1:{checkout.port}"
        page = browser.open(f"{base}{detail}", timeout=10).read().decode()
        assert "Welcome, Ada" in page
        frame = re.findall(r'<iframe[^>]+src="([^"]+)"', page)[0]
        html = browser.open(f"{base}{frame}", timeout=10)
        assert "Good to have you with us" in html.read().decode()
        assert "sandbox" in html.headers["Content-Security-Policy"]
    finally:
        running.signal_group(signal.SIGINT)
        running.stop()


def test_the_sandbox_link_works_once(checkout: Checkout) -> None:
    running = checkout.run()
    try:
        link = checkout.printed(r"Sandbox +(http\S+)")
        first = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        second = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        assert first.open(link, timeout=10).url.endswith("/sandbox/")
        assert "/admin/login/" in second.open(link, timeout=10).url
    finally:
        running.kill()


def test_a_kill_after_acceptance_loses_no_notification_and_no_demo_data(checkout: Checkout) -> None:
    running = checkout.run()
    api = checkout.api
    user = checkout.printed(r"Demo user +(\S+)")
    ids = [
        api.send("email", user, "welcome", variables={"name": "A", "link": "https://e.com"})
        for _ in range(100)
    ]
    running.kill()
    until(lambda: not checkout.answers(), within=10, what="the port to be free")

    again = checkout.run()
    try:
        assert checkout.api == api
        assert set(api.all_ended(ids, within=30)) == {"delivered"}
        assert {api.status(pk)["attempts"] for pk in ids} == {1}
    finally:
        again.kill()


class SlowToBulk(SmtpServer):
    """Replies to no mail except an urgent one until ``go_on`` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = asyncio.Event()

    async def _give(self, talk: Conversation, reply: str) -> str:
        if "queued as" in reply and b"Subject: urgent" not in self.mails[-1].content:
            await self.go_on.wait()
        return await super()._give(talk, reply)


def test_an_urgent_mail_does_not_wait_for_slow_replies_to_bulk_mails(checkout: Checkout) -> None:
    with SlowToBulk() as server:
        running = checkout.run(
            EMAIL_PROVIDERS="smtp",
            SMTP_HOST=server.host,
            SMTP_PORT=str(server.port),
            SMTP_TLS="none",
        )
        try:
            api = checkout.api
            template = api.mail_template(subject="{{ name }}")
            user = api.user("alice")
            bulk = {
                "notification_type": "email",
                "user_id": user,
                "template_code": template,
                "variables": {"name": "news"},
            }
            # More messages than workers, so each thread waits for a reply.
            for _ in range(6):
                api.made("/api/v1/notifications/bulk", {"notifications": [bulk] * 100})
            until(lambda: len(server.mails) >= SmtpProvider.threads, within=20, what="bulk mails")

            urgent = api.send("email", user, template, variables={"name": "urgent"}, priority=9)

            assert api.ended(urgent)["status"] == "sent"
            assert {mail.parsed["Subject"] for mail in server.mails[:-1]} == {"news"}
            server.loop.call_soon_threadsafe(server.go_on.set)
        finally:
            running.kill()


def test_a_notification_sent_by_a_command_is_delivered_by_the_running_service(
    checkout: Checkout,
) -> None:
    running = checkout.run()
    try:
        user = checkout.printed(r"Demo user +(\S+)")
        variables = json.dumps({"name": "Ada", "link": "https://example.com"})
        command = ["notify", "send", "--type", "email", "--user", user, "--template", "welcome"]
        printed = subprocess.check_output(  # noqa: S603 - the project's own command.
            [f"{BIN}/python", "manage.py", *command, "--variables", variables, "--client", "demo"],
            cwd=checkout.root,
            env={"PATH": "/usr/bin:/bin"},
        )
        sent = printed.decode().strip().splitlines()[-1]
        assert checkout.api.ended(sent)["status"] == "delivered"
    finally:
        running.kill()


def test_only_the_owner_can_read_the_stored_secrets(checkout: Checkout) -> None:
    running = checkout.run()
    running.kill()
    kept = checkout.root / "var" / "demo.env"
    assert kept.stat().st_mode & 0o777 == 0o600
    names = [line.partition("=")[0] for line in kept.read_text().splitlines()]
    assert names == ["SECRET_KEY", "DEMO_STAFF_PASSWORD", "DEMO_API_KEY"]
