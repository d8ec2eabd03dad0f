"""An attacker with an account for someone else's address, and the calls of both."""

from datetime import timedelta
from typing import Any

from django.utils import timezone
from rest_framework.test import APIClient

from apps.users import confirmations
from apps.users.models import User
from tests.users.conftest import PASSWORD

USERS = "/api/v1/users/"
NOTIFICATIONS = "/api/v1/notifications/"
VICTIM = "victim@example.com"
PHONE = "phone-of-the-squatter"
NEW_PASSWORD = "another long passphrase"


def register(email: str = VICTIM) -> Any:
    """Register as anybody can."""
    new = {"name": "Squatter", "email": email, "password": PASSWORD, "locale": "de"}
    return APIClient().post(USERS, new, format="json")


def log_in(email: str = VICTIM, password: str = PASSWORD) -> Any:
    return APIClient().post(f"{USERS}login", {"email": email, "password": password}, format="json")


def with_token(access: str) -> APIClient:
    caller = APIClient(raise_request_exception=False)
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {access}")
    return caller


class Squatter:
    """An attacker with an unconfirmed account for someone else's address."""

    def __init__(self) -> None:
        self.user = User.objects.get(pk=register().json()["id"])
        self.tokens = log_in().json()
        self.caller = with_token(self.tokens["access"])
        self.path = f"{USERS}{self.user.pk}"

    def is_locked_out(self) -> bool:
        """Return whether all credentials of the attacker are void."""
        refresh = {"refresh": self.tokens["refresh"]}
        statuses = [
            self.caller.get(self.path).status_code,
            APIClient().post(f"{USERS}token/refresh", refresh, format="json").status_code,
            log_in().status_code,
        ]
        return statuses == [401, 401, 401]

    def link_token(self) -> str:
        """Return the token of the link that was mailed for the attacker's registration."""
        return confirmations.make_token(user=self.user, address=VICTIM)


def confirm(token: str) -> int:
    """Open the link that was mailed, and return the status."""
    answer = APIClient().post(f"{USERS}email/confirm", {"token": token}, format="json")
    return int(answer.status_code)


def notification_ids(caller: APIClient, query: str = "") -> list[str]:
    """Return the ids of the notifications that are listed."""
    answer = caller.get(f"{NOTIFICATIONS}{query}")
    assert answer.status_code == 200
    return [one["id"] for one in answer.json()["results"]]


def make_older(user: User, by: timedelta) -> None:
    """Move the creation of an account back."""
    User.objects.filter(pk=user.pk).update(created_at=timezone.now() - by)
