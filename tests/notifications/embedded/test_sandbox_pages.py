"""The pages of the sandbox: for staff only, without scripts, with pagination."""

import re
import time
from urllib.parse import quote

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from apps.notifications.models.sandbox import SandboxMessage
from apps.notifications.providers.sandbox import SandboxMail, SandboxPush
from tests.fakes.messages import a_mail, a_push

NOBODY = "01890000-0000-7000-8000-000000000000"

pytestmark = pytest.mark.django_db


def logged_in(*, is_staff: bool, may_view: bool) -> Client:
    alice = get_user_model().objects.create(email="alice@example.com", is_staff=is_staff)
    if may_view:
        wanted = ("view_sandboxmessage", "view_content")
        alice.user_permissions.set(Permission.objects.filter(codename__in=wanted))
    client = Client()
    client.force_login(alice)
    return client


@pytest.fixture
def staff() -> Client:
    return logged_in(is_staff=True, may_view=True)


def send(*mails: object) -> None:
    SandboxMail().send_all(list(mails), until=time.monotonic() + 10)  # type: ignore[arg-type]  # Made by a_mail.


def subjects(page: str) -> list[str]:
    return re.findall(r'<a href="/sandbox/[0-9a-f-]+/">([^<]*)</a>', page)


@pytest.mark.parametrize("path", ["/sandbox/", f"/sandbox/{NOBODY}/", f"/sandbox/{NOBODY}/html/"])
def test_unauthenticated_callers_are_redirected_to_the_login(path: str) -> None:
    response = Client().get(path)

    assert response.status_code == 302
    assert response["Location"] == f"/admin/login/?next={quote(path)}"


def test_an_end_user_is_redirected_to_the_login() -> None:
    assert logged_in(is_staff=False, may_view=True).get("/sandbox/").status_code == 302


def test_staff_without_the_permission_are_refused() -> None:
    assert logged_in(is_staff=True, may_view=False).get("/sandbox/").status_code == 403


def test_the_sandbox_pages_accept_no_post(staff: Client) -> None:
    assert staff.post("/sandbox/").status_code == 405


def test_the_newest_messages_are_listed_first(staff: Client) -> None:
    send(a_mail(subject="one"), a_mail(subject="two"))
    send(a_mail(subject="three"))

    assert subjects(staff.get("/sandbox/").text) == ["three", "two", "one"]


def test_an_empty_sandbox_says_so(staff: Client) -> None:
    assert "Nothing was kept." in staff.get("/sandbox/").text


def test_a_refused_message_is_marked(staff: Client) -> None:
    send(a_mail("bounce@example.com"))

    page = staff.get("/sandbox/").text

    assert "says that the address does not exist" in page
    assert "550 5.1.1" in page
    assert "dead_address" not in page
    assert "delivered" not in page


def test_the_list_can_be_filtered(staff: Client) -> None:
    send(a_mail(subject="for bob"), a_mail("alice@example.com", subject="for alice"))
    SandboxPush().send(a_push(title="a push"))

    assert subjects(staff.get("/sandbox/?channel=push").text) == ["a push"]
    assert subjects(staff.get("/sandbox/?recipient=ALICE").text) == ["for alice"]
    assert subjects(staff.get("/sandbox/?channel=email&recipient=nobody").text) == []


def test_pages_link_to_each_other_and_keep_the_filter(staff: Client) -> None:
    send(*(a_mail(subject=f"mail {number:03}") for number in range(120)))
    wanted = [f"mail {number:03}" for number in reversed(range(120))]

    first = staff.get("/sandbox/?recipient=bob").text
    (older,) = re.findall(r'href="(\?[^"]*)">Older', first)
    second = staff.get(f"/sandbox/{older.replace('&amp;', '&')}").text
    (older,) = re.findall(r'href="(\?[^"]*)">Older', second)
    third = staff.get(f"/sandbox/{older.replace('&amp;', '&')}").text
    (newer,) = re.findall(r'href="(\?[^"]*)">Newer', third)
    again = staff.get(f"/sandbox/{newer.replace('&amp;', '&')}").text

    assert subjects(first) + subjects(second) + subjects(third) == wanted
    assert subjects(again) == subjects(second)
    assert "recipient=bob" in older
    assert "Newer" not in first
    assert "Older" not in third


@pytest.mark.parametrize("query", ["channel=fax", "before=x", "after=1", "before=%27"])
def test_an_invalid_query_is_a_400(staff: Client, query: str) -> None:
    assert staff.get(f"/sandbox/?{query}").status_code == 400


def test_an_unknown_message_is_a_404(staff: Client) -> None:
    assert staff.get(f"/sandbox/{NOBODY}/").status_code == 404
    assert staff.get(f"/sandbox/{NOBODY}").status_code == 404


def test_a_mail_shows_its_parts_and_frames_its_html(staff: Client) -> None:
    send(a_mail(text="<b>not bold</b>", headers={"X-Note": "noted"}))
    row = SandboxMessage.objects.get()

    response = staff.get(f"/sandbox/{row.id}/")

    assert "&lt;b&gt;not bold&lt;/b&gt;" in response.text
    assert "noted" in response.text
    (frame,) = re.findall(r"<iframe [^>]*>", response.text)
    assert 'sandbox=""' in frame
    assert f'src="/sandbox/{row.id}/html/"' in frame
    scripts = re.findall(r"<script src=\"([^\"]*)\"", response.text)
    assert len(scripts) == response.text.count("<script")
    assert all(script.startswith("/static/") for script in scripts)
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-src 'self'" in policy
    assert "script-src 'self'" in policy


def test_the_html_of_a_mail_runs_no_scripts(staff: Client) -> None:
    html = "<script>alert(1)</script><p>Hi</p>"
    send(a_mail(html=html))

    response = staff.get(f"/sandbox/{SandboxMessage.objects.get().id}/html/")

    assert response.text == html
    assert response["Content-Security-Policy"] == (
        "sandbox; default-src 'none'; img-src data: https:; style-src 'unsafe-inline'; "
        "frame-ancestors 'self'"
    )
    assert response["X-Frame-Options"] == "SAMEORIGIN"


def test_a_push_has_no_html_page(staff: Client) -> None:
    SandboxPush().send(a_push())

    assert staff.get(f"/sandbox/{SandboxMessage.objects.get().id}/html/").status_code == 404


@pytest.mark.parametrize(
    ("link", "opens"), [("https://example.com/1", True), ("javascript:alert(1)", False)]
)
def test_a_push_is_shown_as_a_card_and_opens_only_web_links(
    staff: Client, link: str, *, opens: bool
) -> None:
    SandboxPush().send(a_push(link=link, image="https://example.com/a.png", data={"order": "17"}))

    page = staff.get(f"/sandbox/{SandboxMessage.objects.get().id}/").text

    assert "<strong>Your order</strong>" in page
    assert "https://example.com/a.png" in page
    assert "<td>17</td>" in page
    assert (f'<a href="{link}"' in page) is opens
    assert f"{link}" in page
