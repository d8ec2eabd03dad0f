"""A new ``SECRET_KEY`` voids nothing that the earlier key signed while that is a fallback."""

from collections.abc import Callable
from typing import Any

import jwt
import pytest
from django.test import Client
from rest_framework.test import APIClient

from apps.notifications.api.welcome import sandbox_link
from apps.notifications.feedback.unsubscribe import Subscription, token_for
from apps.users import confirmations, contacts, password_resets, tokens
from apps.users.models import User
from tests.notifications.factories import client_with
from tests.users.conftest import FAST_HASHERS, PASSWORD, make

pytestmark = pytest.mark.django_db

BEFORE, AFTER, OLDEST = ("before-" + "0" * 50, "after-" + "0" * 50, "oldest-" + "0" * 50)
PASSWORD_AFTER = "another long passphrase"

# Made with one key and called later with the keys of that time; returns whether it is accepted.
Use = Callable[[], bool]


def an_access_token(user: User) -> Use:
    caller = APIClient()
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.issue(user).access}")
    return lambda: caller.get(f"/api/v1/users/{user.pk}").status_code == 200


def a_refresh_token(user: User) -> Use:
    asked = {"refresh": tokens.issue(user).refresh}
    path = "/api/v1/users/token/refresh"
    return lambda: APIClient().post(path, asked, format="json").status_code == 200


def a_session(user: User) -> Use:
    browser = Client()
    browser.force_login(user)
    return lambda: browser.get("/admin/").status_code == 200


def a_link_to_unsubscribe(user: User) -> Use:
    token = token_for(Subscription(user_id=user.pk, category="news"))

    def use() -> bool:
        answer = Client(enforce_csrf_checks=True).post(
            f"/unsubscribe/{token}", {"List-Unsubscribe": "One-Click"}
        )
        wants = contacts.load_contacts([user.pk])[user.pk].allows("email", "news")
        assert (answer.status_code == 200) is not wants
        return answer.status_code == 200

    return use


def a_link_to_confirm(user: User) -> Use:
    asked = {"token": confirmations.make_token(user=user, address=str(user.email))}
    path = "/api/v1/users/email/confirm"
    return lambda: APIClient().post(path, asked, format="json").status_code == 204


def a_link_to_a_new_password(user: User) -> Use:
    asked = {"token": password_resets.make_token(user), "password": PASSWORD_AFTER}
    path = "/api/v1/users/password/reset/confirm"
    return lambda: APIClient().post(path, asked, format="json").status_code == 204


def a_link_into_the_sandbox(user: User) -> Use:
    link = sandbox_link(user)

    def use() -> bool:
        browser = Client()
        browser.get(link)
        return "_auth_user_id" in browser.session

    return use


SIGNED = [
    an_access_token,
    a_refresh_token,
    a_session,
    a_link_to_unsubscribe,
    a_link_to_confirm,
    a_link_to_a_new_password,
    a_link_into_the_sandbox,
]


@pytest.fixture
def administrator(settings: Any, tmp_path: Any) -> User:
    settings.EMBEDDED = True
    settings.PASSWORD_HASHERS = FAST_HASHERS
    settings.STATIC_ROOT = str(tmp_path)
    return make("dora", is_staff=True, is_superuser=True)


@pytest.mark.parametrize("made", SIGNED)
@pytest.mark.parametrize(
    ("older", "taken"), [([BEFORE], True), ([OLDEST, BEFORE], True), ([OLDEST], False), ([], False)]
)
def test_signatures_of_an_earlier_key_are_accepted_while_it_is_a_fallback(
    settings: Any,
    administrator: User,
    made: Callable[[User], Use],
    *,
    older: list[str],
    taken: bool,
) -> None:
    settings.SECRET_KEY = BEFORE
    use = made(administrator)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = AFTER, older
    assert use() is taken


@pytest.mark.parametrize("made", SIGNED)
def test_nothing_is_signed_with_an_earlier_key(
    settings: Any, administrator: User, made: Callable[[User], Use]
) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = AFTER, [BEFORE]
    use = made(administrator)
    settings.SECRET_KEY_FALLBACKS = []
    assert use()


def test_a_token_of_an_earlier_key_is_replaced_by_one_of_the_present_key(
    settings: Any, alice: User
) -> None:
    settings.SECRET_KEY = BEFORE
    old = tokens.issue(alice).refresh
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = AFTER, [BEFORE]
    _, new = tokens.rotate(old)
    for token in (new.access, new.refresh):
        assert jwt.decode(token, AFTER, algorithms=["HS256"])["user_id"] == str(alice.pk)
    # The old token is used up, whichever key signed it.
    with pytest.raises(tokens.TokenRefused):
        tokens.rotate(old)


def test_a_session_is_signed_with_the_present_key_after_its_next_use(
    settings: Any, administrator: User
) -> None:
    settings.SECRET_KEY = BEFORE
    use = a_session(administrator)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = AFTER, [BEFORE]
    assert use()
    settings.SECRET_KEY_FALLBACKS = []
    assert use()


def test_a_logout_voids_a_token_of_an_earlier_key(settings: Any, alice: User) -> None:
    settings.SECRET_KEY = BEFORE
    refresh = tokens.issue(alice).refresh
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = AFTER, [BEFORE]
    tokens.revoke(refresh)
    with pytest.raises(tokens.TokenRefused):
        tokens.rotate(refresh)


def test_stored_hashes_do_not_depend_on_the_secret_key(settings: Any, administrator: User) -> None:
    """API keys, passwords and suppressed addresses are hashed without the secret key."""
    settings.SECRET_KEY = BEFORE
    caller = client_with()
    contacts.suppress(email=str(administrator.email), reason="hard_bounce")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = AFTER, []
    assert caller.get("/api/v1/notifications/").status_code == 200
    assert contacts.load_contacts([administrator.pk])[administrator.pk].suppressed
    login = {"email": administrator.email, "password": PASSWORD}
    assert APIClient().post("/api/v1/users/login", login, format="json").status_code == 200
