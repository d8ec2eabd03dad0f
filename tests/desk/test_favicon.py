"""Every page has the icon of the desk, and its policy lets the browser load it."""

import pytest
from django.test import Client

from apps.notifications.feedback.unsubscribe import Subscription, token_for
from apps.users.models import User
from tests.desk.conftest import Login

ICON = '<link rel="icon" href="/static/desk/favicon.svg" type="image/svg+xml">'


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/admin/",
        "/admin/users/user/",
        "/admin/nowhere/",
        "/api/v1/",
        "/api/v1/notifications/",
        "/api/redoc/",
        "/sandbox/",
        "/account/reset-password",
        "/account/second-factor/enrol",
        "/nowhere",
    ],
)
def test_a_page_has_the_icon_and_may_load_it(login: Login, path: str) -> None:
    page = login("Superuser").get(path, HTTP_ACCEPT="text/html")

    assert ICON in page.content.decode()
    assert "img-src 'self'" in page["Content-Security-Policy"]


def test_the_page_of_a_recipient_has_the_icon(ada: User) -> None:
    token = token_for(Subscription(user_id=ada.pk, category="news"))
    page = Client(HTTP_ACCEPT="text/html").get(f"/unsubscribe/{token}")

    assert ICON in page.content.decode()
    assert "img-src 'self'" in page["Content-Security-Policy"]


def test_a_browser_that_asks_for_the_usual_icon_gets_it(db: None) -> None:
    answer = Client().get("/favicon.ico", follow=True)

    assert answer.status_code == 200
    assert answer["Content-Type"] == "image/svg+xml"
    answer.close()


def test_the_documentation_has_the_icon_as_well(db: None) -> None:
    page = Client(HTTP_ACCEPT="text/html").get("/api/docs/").content.decode()

    assert "/static/desk/favicon.svg" in page
