"""The front page says which mode runs, what really sends and how to send the first message."""

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import resolve
from rest_framework.test import APIClient

from apps.notifications.embedded import demo

pytestmark = pytest.mark.django_db


def front(settings: Any, *, email: list[str], push: list[str]) -> str:
    settings.EMAIL_PROVIDERS, settings.PUSH_PROVIDERS = email, push
    return html.unescape(Client(HTTP_ACCEPT="text/html").get("/").content.decode())


def test_a_live_installation_names_its_providers(settings: Any) -> None:
    page = front(settings, email=["sendgrid", "smtp"], push=["fcm"])

    assert "This installation is live: it really sends." in page
    assert "<strong>sendgrid, then smtp</strong>" in page
    assert "<strong>fcm</strong>" in page


def test_a_channel_that_sends_nothing_is_named_apart(settings: Any) -> None:
    page = front(settings, email=["smtp"], push=["sandbox"])

    assert "live for one channel, and a sandbox for the other" in page
    assert "kept in the sandbox; nothing is sent" in page


def test_with_servers_the_page_says_where_to_get_a_key(settings: Any) -> None:
    settings.EMBEDDED = False
    page = front(settings, email=["sandbox"], push=["sandbox"])

    assert "This installation is a sandbox: nothing leaves this server." in page
    assert "/admin/users/apikey/" in page
    assert "Api-Key YOUR_KEY" in page


def test_the_command_of_the_demo_can_be_sent_and_tells_no_secret(
    settings: Any, tmp_path: Path
) -> None:
    settings.EMBEDDED, settings.DEMO_ENV_FILE = True, tmp_path / "demo.env"
    made = demo.seed()
    page = front(settings, email=["sandbox"], push=["sandbox"])
    (command,) = re.findall(r'<pre class="code">(.*?)</pre>', page, re.DOTALL)
    body = json.loads(command.split("-d '")[1].rstrip("'"))

    caller = APIClient(headers={"X-API-Key": made.api_key})
    answer = caller.post("/api/v1/notifications/", body, format="json")

    assert answer.status_code == 202, answer.json()
    assert made.api_key not in page
    assert made.staff_password not in page


def test_every_link_of_the_page_leads_somewhere(settings: Any) -> None:
    page = front(settings, email=["sandbox"], push=["sandbox"])
    links = set(re.findall(r'<a [^>]*href="([^"]+)"', page))

    assert len(links) > 6
    for link in links:
        assert resolve(link)
