"""What the browsable API shows leads to the pages of what it names."""

import json
import re
from typing import Any

import pytest
from django.test import Client

from apps.notifications.api.browsable_links import linked
from apps.users.models import User
from tests.notifications.factories import accepted

LIST = "/api/v1/notifications/"
ID = "0198f0c3-11aa-7c3e-8f20-5a4e6b7c8d90"
OTHER = "0198f0c2-7b1e-7d7a-9a55-2f6f0c1c7a10"


def links(document: Any, path: str = LIST) -> list[str]:
    return re.findall(r'href="([^"]*)"', linked(json.dumps(document, indent=4), path))


def test_ids_lead_to_what_they_name() -> None:
    row = {"id": ID, "user_id": OTHER, "template_code": "welcome", "batch_id": ID, "replay_of": ID}

    assert links({"results": [row]}) == [
        f"/api/v1/notifications/{ID}",
        f"/api/v1/users/{OTHER}",
        "/api/v1/templates/welcome",
        f"/api/v1/batches/{ID}",
        f"/api/v1/notifications/{ID}",
    ]


def test_addresses_of_pages_are_links() -> None:
    document = {"next": f"http://testserver{LIST}?before=x&n=1", "self": f"{LIST}{ID}"}

    assert links(document) == [f"http://testserver{LIST}?before=x&amp;n=1", f"{LIST}{ID}"]


def test_request_and_correlation_ids_lead_to_the_notifications_with_them() -> None:
    assert links({"request_id": "order 42&x", "correlation_id": "abc"}) == [
        f"{LIST}?request_id=order+42%26x",
        f"{LIST}?correlation_id=abc",
    ]


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"results": [{"devices": [{"id": ID}]}]}, "/api/v1/users/"),
        ({"results": [{"id": ID}]}, f"/api/v1/users/{OTHER}/devices/"),
        ({"template_code": "system:password-reset"}, LIST),
        ({"user_id": "not-an-id"}, LIST),
        ({"link": "javascript:alert(1)"}, LIST),
        ({"user_id": None}, LIST),
    ],
)
def test_what_has_no_page_is_no_link(document: Any, path: str) -> None:
    assert links(document, path) == []


def test_text_of_callers_is_escaped_in_links_and_outside() -> None:
    shown = linked(json.dumps({"a": "<b>", "link": 'https://x/"><script>'}, indent=4), LIST)

    assert "<b>" not in shown
    assert "<script>" not in shown


@pytest.mark.django_db
def test_a_list_links_its_rows_and_greets_by_name(alice: User, charlie: User) -> None:
    row = accepted(alice)
    User.objects.filter(pk=charlie.pk).update(name="Charlie Brown")
    browser = Client(HTTP_ACCEPT="text/html")
    browser.force_login(charlie)

    page = browser.get(LIST).content.decode()

    assert f'href="{LIST}{row.pk}"' in page
    assert f'href="/api/v1/users/{alice.pk}"' in page
    assert "Log out Charlie Brown" in page
    assert str(charlie.pk) not in page


@pytest.mark.django_db
def test_the_form_comes_before_the_answer_and_every_input_has_a_label(charlie: User) -> None:
    browser = Client(HTTP_ACCEPT="text/html")
    browser.force_login(charlie)
    for path in (LIST, "/api/v1/users/", f"/api/v1/users/{charlie.pk}", "/api/v1/batches/upload"):
        page = browser.get(path).content.decode()
        assert page.index("<textarea") < page.index('id="answer"')
        named = re.findall(r'<(?:textarea|select|input)(?![^>]*hidden)[^>]*\sid="([^"]+)"', page)
        assert named
        assert len(set(named)) == len(named)
        assert {one for one in named if f'for="{one}"' not in page} == set()


@pytest.mark.django_db
def test_an_error_is_said_in_words_above_its_document(charlie: User) -> None:
    browser = Client(HTTP_ACCEPT="text/html")
    browser.force_login(charlie)

    answer = browser.post(LIST, {"nonsense": 1}, content_type="application/json")

    page = answer.content.decode()
    assert answer.status_code == 400
    assert '<p class="lead">The request is not valid.</p>' in page
    assert "<code>/nonsense</code>" in page
