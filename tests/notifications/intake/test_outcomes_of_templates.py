"""A request is refused if its variables make a message that cannot be sent."""

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from apps.common.callers import Scope
from apps.notifications.models import Notification
from apps.users.models import User
from tests.notifications.factories import body, client_with, template
from tests.notifications.problems import assert_problem

pytestmark = pytest.mark.django_db
SEND = "/api/v1/notifications/"


@pytest.fixture
def shop() -> APIClient:
    return client_with(Scope.NOTIFICATIONS_SEND)


def send(shop: APIClient, user: User, **changes: Any) -> Any:
    return shop.post(SEND, body(user, **changes), format="json")


def test_a_subject_that_renders_to_nothing_is_refused(shop: APIClient, alice: User) -> None:
    template("plain", content={"subject": "{{ title }}", "body": "x"})

    refused = send(shop, alice, template_code="plain", variables={"title": " "})
    accepted = send(shop, alice, template_code="plain", variables={"title": "News"})

    problem = assert_problem(refused, 422)
    assert problem["errors"][0]["pointer"] == "/variables"
    assert "subject" in problem["errors"][0]["detail"]
    assert accepted.status_code == 202
    assert Notification.objects.count() == 1


@pytest.mark.parametrize("link", ["/orders/1", "javascript:x", "example.com"])
def test_a_link_that_no_device_can_open_is_refused(shop: APIClient, alice: User, link: str) -> None:
    template("linked", "push", content={"title": "x", "body": "x", "link": "{{ url }}"})

    def ask(url: str) -> Any:
        return send(
            shop,
            alice,
            notification_type="push",
            template_code="linked",
            variables={"url": url},
        )

    assert "link" in assert_problem(ask(link), 422)["errors"][0]["detail"]
    assert ask("myapp://order/1").status_code == 202


def test_a_template_that_always_has_a_subject_costs_no_statement_more(
    shop: APIClient, alice: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    template("literal", content={"subject": "Hello {{ name }}", "body": "x"})
    send(shop, alice, template_code="literal", variables={"name": "Ada"})

    with django_assert_max_num_queries(4):
        send(shop, alice, template_code="literal", variables={"name": ""})
