"""What a template and a request decide about a mail beside its text, up to the wire."""

from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from apps.common.callers import Scope
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notification
from apps.users.models import User
from tests.fakes.fcm_server import FcmServer
from tests.fakes.smtp_server import SmtpServer
from tests.notifications.delivering import deliver_and_refresh
from tests.notifications.factories import accepted, body, client_with, person, template
from tests.notifications.problems import assert_problem

pytestmark = pytest.mark.django_db
SEND = "/api/v1/notifications/"


def sent(user: User, smtp: SmtpServer, **changes: Any) -> Any:
    """Deliver a mail of the template "news" and return what the server got."""
    row = accepted(user, template_code="news", **{"variables": {}, **changes})
    deliver_and_refresh(row)
    assert row.status == Status.SENT
    return smtp.mails[-1].parsed


def news(**content: str) -> None:
    template("news", content={"subject": "News", "body": "Hello", **content})


def test_the_template_names_the_sender(alice: User, smtp: SmtpServer, settings: Settings) -> None:
    settings.DEFAULT_FROM_EMAIL = "Shop <shop@example.com>"
    news(from_name='Müller, "Söhne"')

    sender = sent(alice, smtp)["From"].addresses[0]

    assert (sender.display_name, sender.addr_spec) == ('Müller, "Söhne"', "shop@example.com")


def test_answers_go_to_the_address_of_the_template(alice: User, smtp: SmtpServer) -> None:
    news(reply_to="help@example.com")

    assert sent(alice, smtp)["Reply-To"] == "help@example.com"


def test_the_reply_address_of_the_request_comes_first(alice: User, smtp: SmtpServer) -> None:
    news(reply_to="help@example.com")

    assert sent(alice, smtp, reply_to="ada@example.com")["Reply-To"] == "ada@example.com"


def test_without_a_reply_address_there_is_no_header(alice: User, smtp: SmtpServer) -> None:
    news()

    assert sent(alice, smtp)["Reply-To"] is None


def test_a_mail_greets_its_recipient(alice: User, smtp: SmtpServer) -> None:
    news(body="{{ recipient.name }} {{ recipient.email }} {{ recipient.locale }}")

    text = sent(alice, smtp).get_content()

    assert text.strip() == f"{alice.name} alice@example.com {alice.locale}"


def test_the_text_can_contain_the_unsubscribe_link(
    alice: User, smtp: SmtpServer, client: Client, settings: Settings
) -> None:
    settings.PUBLIC_URL = "https://notify.example.com"
    news(body="{{ unsubscribe_url }}")

    link = sent(alice, smtp).get_content().strip()

    assert link.startswith("https://notify.example.com/unsubscribe/")
    assert client.get(link.removeprefix("https://notify.example.com")).status_code == 200


def test_a_critical_mail_has_no_unsubscribe_link(alice: User, smtp: SmtpServer) -> None:
    template("news", content={"subject": "News", "body": "[{{ unsubscribe_url }}]"}, critical=True)

    assert sent(alice, smtp).get_content().strip() == "[]"


@pytest.fixture
def shop() -> APIClient:
    return client_with(Scope.NOTIFICATIONS_SEND, Scope.NOTIFICATIONS_READ)


def test_the_api_stores_and_shows_the_reply_address(shop: APIClient, alice: User) -> None:
    news()
    asked = body(alice, template_code="news", variables={}, reply_to="ada@example.com")

    made = shop.post(SEND, asked, format="json").json()

    assert shop.get(f"{SEND}{made['id']}").json()["reply_to"] == "ada@example.com"


@pytest.mark.parametrize(
    "reply_to", ["ada", "Ada <ada@example.com>", "a@b.c, d@e.f", "a@b.c\r\nBcc: d@e.f", "", 7]
)
def test_what_is_no_single_address_is_refused(shop: APIClient, alice: User, reply_to: Any) -> None:
    asked = body(alice, reply_to=reply_to)

    problem = assert_problem(shop.post(SEND, asked, format="json"), 400)

    assert problem["errors"][0]["pointer"] == "/reply_to"
    assert not Notification.objects.exists()


def test_a_push_takes_no_reply_address(shop: APIClient, alice: User) -> None:
    asked = body(
        alice,
        notification_type="push",
        template_code="parcel",
        variables={"number": 1},
        reply_to="ada@example.com",
    )

    problem = assert_problem(shop.post(SEND, asked, format="json"), 422)

    assert problem["errors"][0]["pointer"] == "/reply_to"


@pytest.mark.parametrize(("priority", "urgency"), [(9, "high"), (5, "high"), (1, "normal")])
def test_the_lane_decides_whether_a_push_wakes_the_device(
    fcm: FcmServer, priority: int, urgency: str
) -> None:
    template("parcel", "push")
    user = person("tom", tokens=("token-1",))
    deliver_and_refresh(accepted(user, notification_type="push", priority=priority))

    assert fcm.messages[-1]["android"]["priority"] == urgency
