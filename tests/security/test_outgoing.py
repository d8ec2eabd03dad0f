"""Nothing that callers or authors provide is fetched, or changes headers and recipients."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import getaddresses
from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.common.channels import Channel
from apps.common.rest.problems import Problem
from apps.notifications.models import Notification, SandboxMessage
from apps.templates import rendering
from apps.templates.models import TemplateVersion
from apps.users.models import User
from tests.fakes.fcm_server import FcmServer
from tests.fakes.smtp_server import SmtpServer
from tests.notifications.delivering import deliver
from tests.notifications.factories import accepted, body, template
from tests.notifications.problems import assert_problem, pointers

pytestmark = pytest.mark.django_db


@contextmanager
def lure() -> Iterator[tuple[str, list[str]]]:
    """Listen on a port that links and pictures point to, and record connections."""
    came: list[str] = []
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()

        def wait() -> None:
            try:
                while True:
                    connection, address = server.accept()
                    connection.close()
                    came.append(str(address))
            except OSError:
                return

        watcher = threading.Thread(target=wait, daemon=True)
        watcher.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", came
        server.shutdown(socket.SHUT_RDWR)
    watcher.join(timeout=5)


HTML = """<html><head><link rel="stylesheet" href="{{ at }}/style.css"></head><body>
<img src="{{ at }}/pixel.png"><a href="{{ at }}/page">x</a><iframe src="{{ at }}/frame"></iframe>
</body></html>"""
MJML = (
    '<mjml><mj-body><mj-section><mj-column><mj-image src="{{ at }}/i.png" href="{{ at }}" />'
    "</mj-column></mj-section></mj-body></mjml>"
)
INCLUDE = '<mjml><mj-body><mj-include path="{at}/part.mjml" /></mj-body></mjml>'
PICTURE = {"title": "t", "body": "b", "image": "{{ at }}/i.png", "link": "{{ at }}/page"}


def test_no_url_from_callers_or_authors_is_fetched(
    shop: APIClient,
    alice: User,
    smtp_server: SmtpServer,
    fcm_server: FcmServer,
    settings: Any,
) -> None:
    settings.EMAIL_PROVIDERS, settings.PUSH_PROVIDERS = ["smtp"], ["fcm"]
    with lure() as (at, came):
        mail = {"subject": "s", "body": "{{ at }}"}
        template("html", content={**mail, "html": HTML})
        template("mjml", content={**mail, "html": MJML})
        template("picture", "push", content=PICTURE)
        for code in ("html", "mjml", "picture"):
            kind = "push" if code == "picture" else "email"
            shown = shop.post(
                f"/api/v1/templates/{code}/preview", {"variables": {"at": at}}, format="json"
            )
            assert shown.status_code == 200
            asked = body(alice, template_code=code, notification_type=kind, variables={"at": at})
            answer = shop.post("/api/v1/notifications/", asked, format="json")
            deliver(channel=Channel(kind), ids=[answer.json()["id"]], attempt=0)
        assert set(Notification.objects.values_list("status", flat=True)) == {"sent"}
        assert at in smtp_server.mails[0].content.decode()
        including = {
            **mail,
            "code": "including",
            "name": "Including",
            "notification_type": "email",
            "html": INCLUDE.format(at=at),
        }
        answer = shop.post("/api/v1/templates/", including, format="json")
        assert pointers(answer) == ["/html"]
        # No connection was made; the next one shows that the listener works.
        assert came == []
        with socket.create_connection(("127.0.0.1", int(at.rpartition(":")[2])), timeout=5):
            until = time.monotonic() + 10
            while not came and time.monotonic() < until:
                time.sleep(0.01)
    assert len(came) == 1


SCHEMES = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,<script>1</script>",
    "file:///etc/passwd",
    "ftp://example.com/",
    "gopher://127.0.0.1:25/",
    "vbscript:x",
    "//evil.example",
    "/relative",
    "http:///nohost",
    "https://",
]


@pytest.mark.parametrize("place", ["image", "link"])
@pytest.mark.parametrize("address", SCHEMES)
def test_a_push_that_would_open_anything_else_is_not_accepted(
    alice: User, place: str, address: str
) -> None:
    template("opens", "push", content={"title": "t", "body": "b", place: "{{ at }}"})
    with pytest.raises(Problem) as caught:
        accepted(alice, template_code="opens", notification_type="push", variables={"at": address})
    assert caught.value.status_code == 422
    assert Notification.objects.count() == 0


@pytest.mark.parametrize("place", ["image", "link"])
def test_a_push_of_an_earlier_version_opens_only_web_and_app_addresses(
    alice: User, place: str
) -> None:
    template("opens", "push", content={"title": "t", "body": "b", place: "{{ at }}"})
    # A version that an earlier release has saved is checked when it is sent.
    TemplateVersion.objects.update(checked_at_intake=None)
    rendering.forget()
    rows = [
        accepted(alice, template_code="opens", notification_type="push", variables={"at": address})
        for address in SCHEMES
    ]
    deliver(channel=Channel.PUSH, ids=[row.pk for row in rows], attempt=0)
    ended = Notification.objects.values_list("variables__at", "status", "reason")
    assert sorted(ended) == sorted((at, "failed", "template_error") for at in SCHEMES)
    assert SandboxMessage.objects.count() == 0


LINKS = """<a href="{{ at }}">x</a><img src='{{ at }}'><form action="{{ no }}{{ at }}"></form>
<a href="{{ one }}{{ two }}">x</a><a href="{{ one }}:{{ three }}">x</a>
<p style="background:url({{ at }})">x</p><img srcset="{{ at }} 2x">"""
LINKS_IN_MJML = """<mjml><mj-body><mj-section background-url="{{ at }}"><mj-column>
<mj-button href="{{ one }}{{ two }}">x</mj-button><mj-image src="{{ no }}{{ at }}" /></mj-column>
</mj-section></mj-body></mjml>"""


@pytest.mark.parametrize("html", [LINKS, LINKS_IN_MJML], ids=["html", "mjml"])
@pytest.mark.parametrize("address", SCHEMES[:4])
def test_a_link_in_a_mail_runs_no_script(alice: User, address: str, html: str) -> None:
    template("linked", content={"subject": "s", "body": "b", "html": html})
    scheme, _, rest = address.partition(":")
    parts = {"no": "", "one": scheme, "two": f":{rest}", "three": rest}
    row = accepted(alice, template_code="linked", variables={"at": address, **parts})
    deliver(channel=Channel.EMAIL, ids=[row.pk], attempt=0)
    said = SandboxMessage.objects.get().html.lower()
    assert "script:" not in said
    assert "data:" not in said
    assert 'href="#' in said


OLD = "<a href={{ at }}>x</a><meta http-equiv='refresh' content='0;url={{ at }}'><p {{ at }}>x</p>"


@pytest.mark.parametrize("address", ["https://example.com/x", *SCHEMES[:4]])
def test_an_older_template_that_is_now_refused_is_still_sent_and_runs_no_script(
    shop: APIClient, alice: User, address: str
) -> None:
    template("linked", content={"subject": "s", "body": "b", "html": "<p>x</p>"})
    refused = shop.put("/api/v1/templates/linked", {"html": OLD}, format="json")
    assert {error["pointer"] for error in assert_problem(refused, 400)["errors"]} >= {"/html"}
    # As an earlier release stored it.
    version = TemplateVersion.objects.get(template__code="linked")
    TemplateVersion.objects.update(content={**version.content, "html": OLD}, required=["at"])
    row = accepted(alice, template_code="linked", variables={"at": address})
    deliver(channel=Channel.EMAIL, ids=[row.pk], attempt=0)
    said = SandboxMessage.objects.get().html
    if address.startswith("https"):
        assert f"<a href={address}>" in said
        assert f"content='0;url={address}'" in said
    else:
        assert "<a href=#>" in said
        assert "content='0;url=#'" in said
        assert ":" not in said


LINE_ENDS = ["\r\n", "\n", "\r", "\u2028", "\u0085", "\x0b", "\x0c"]


def test_no_value_adds_a_header_or_a_recipient(
    alice: User, smtp_server: SmtpServer, settings: Any
) -> None:
    settings.EMAIL_PROVIDERS = ["smtp"]
    for place, end in enumerate(LINE_ENDS):
        evil = f"x{end}Bcc: eve@example.com{end}Content-Type: text/html{end}{end}<b>"
        User.objects.filter(pk=alice.pk).update(name=evil)
        content = {"subject": "{{ name }}", "body": "b"}
        template(f"evil-{place}", content=content, category=evil[:50])
        row = accepted(alice, template_code=f"evil-{place}", variables={"name": evil})
        Notification.objects.filter(pk=row.pk).update(correlation_id=evil[:128])
        deliver(channel=Channel.EMAIL, ids=[row.pk], attempt=0)
    assert len(smtp_server.mails) == len(LINE_ENDS)
    for mail in smtp_server.mails:
        parsed = mail.parsed
        assert mail.recipient == "alice@example.com"
        assert parsed["Bcc"] is None
        assert parsed.get_all("To") == [parsed["To"]]
        assert [address for _, address in getaddresses([parsed["To"]])] == ["alice@example.com"]
        assert parsed.get_content_type() == "text/plain"


@pytest.mark.parametrize("header", ["X-Correlation-ID", "Idempotency-Key"])
def test_request_headers_are_checked_before_they_become_mail_headers(
    shop: APIClient, alice: User, header: str
) -> None:
    evil = "x\r\nBcc: eve@example.com"
    name = "HTTP_" + header.upper().replace("-", "_")
    asked: dict[str, Any] = {name: evil}
    answer = shop.post("/api/v1/notifications/", body(alice), format="json", **asked)
    assert answer.status_code in {202, 400}
    assert "\n" not in answer["X-Correlation-ID"]
    for row in Notification.objects.all():
        assert "\n" not in row.correlation_id


@pytest.mark.parametrize("name", ["Eve\r\nBcc: x@example.com", "Eve\nX: y", "E\x00ve"])
def test_no_name_or_address_with_a_line_end_is_stored(shop: APIClient, name: str) -> None:
    for change in ({"name": name}, {"email": f"{name}@example.com"}, {"external_id": name}):
        new = {"name": "Eve", "email": "eve@example.com", **change}
        assert_problem(shop.post("/api/v1/users/", new, format="json"), 400)
    assert User.objects.count() == 0


def test_a_value_adds_neither_lines_to_a_title_nor_keys_to_a_push(
    alice: User, fcm_server: FcmServer, settings: Any
) -> None:
    settings.PUSH_PROVIDERS = ["fcm"]
    content: Any = {"title": "{{ a }}", "body": "{{ a }}", "data": {"k": "{{ a }}"}}
    template("evil", "push", content=content)
    values = [f'x{end}", "topic": "all", "a": "' for end in LINE_ENDS]
    for evil in values:
        row = accepted(alice, template_code="evil", notification_type="push", variables={"a": evil})
        deliver(channel=Channel.PUSH, ids=[row.pk], attempt=0)
    messages = [sent.get("message", sent) for sent in fcm_server.messages]
    assert [message["data"]["k"] for message in messages] == values
    for message in messages:
        assert "topic" not in message
        assert message["token"] == "token-alice"
        assert len(message["notification"]["title"].splitlines()) == 1
