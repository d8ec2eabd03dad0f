"""One-click unsubscribe (RFC 8058)."""

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from apps.notifications.feedback.unsubscribe import Subscription, headers_for, read_token, token_for
from apps.users import contacts
from apps.users.models import User

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create_user(
        email="alice@example.com", name="Alice", email_confirmed_at=timezone.now()
    )


def link(alice: User) -> str:
    return f"/unsubscribe/{token_for(Subscription(user_id=alice.pk, category='news'))}"


def wants(alice: User, category: str) -> bool:
    return contacts.load_contacts([alice.pk])[alice.pk].allows("email", category)


def test_a_post_without_a_cookie_unsubscribes_from_that_category_only(alice: User) -> None:
    answer = Client(enforce_csrf_checks=True).post(link(alice), ONE_CLICK)

    assert answer.status_code == 200
    assert not wants(alice, "news")
    assert wants(alice, "orders")


def test_a_get_shows_a_button_and_changes_nothing(alice: User) -> None:
    answer = Client().get(link(alice))

    assert answer.status_code == 200
    assert "<form" in answer.content.decode()
    assert wants(alice, "news")


def test_a_forged_token_is_not_found(alice: User) -> None:
    answer = Client().post(f"{link(alice)}x", ONE_CLICK)

    assert answer.status_code == 404
    assert wants(alice, "news")


def test_one_click_is_offered_for_https_only(settings: Settings, alice: User) -> None:
    subscription = Subscription(user_id=alice.pk, category="news")
    settings.PUBLIC_URL = "http://notify.example.com"

    headers = headers_for(subscription)

    assert headers.keys() == {"List-Unsubscribe"}


def test_the_unsubscribe_headers_are_those_of_rfc_8058(settings: Settings, alice: User) -> None:
    subscription = Subscription(user_id=alice.pk, category="news")
    settings.PUBLIC_URL = "https://notify.example.com"

    headers = headers_for(subscription)

    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    token = headers["List-Unsubscribe"].strip("<>").rpartition("/")[2]
    assert read_token(token) == subscription


def test_unsubscribing_a_deleted_user_is_not_an_error(alice: User) -> None:
    address = link(alice)
    contacts_before = User.objects.count()
    alice.delete()

    answer = Client().post(address, ONE_CLICK)

    assert answer.status_code == 200
    assert User.objects.count() == contacts_before - 1
