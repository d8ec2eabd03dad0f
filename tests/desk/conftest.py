"""Staff of each role, and people with messages."""

from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from apps.notifications.flow_control.breakers import gate as breaker_gate
from apps.notifications.flow_control.limits import gate as limit_gate
from apps.notifications.operations.roles import ROLES
from apps.notifications.providers.registry import close_all
from apps.users.models import User
from tests.notifications.factories import person, template

Login = Callable[[str], Client]


@pytest.fixture(autouse=True)
def nothing_forced() -> Iterator[None]:
    """Reset providers, breakers and limits, which are in no database that is rolled back."""
    breaker_gate.forget()
    limit_gate.forget()
    yield
    close_all()
    breaker_gate.forget()
    limit_gate.forget()


@pytest.fixture
def _templates(db: None) -> None:
    template("welcome")
    template("parcel", channel="push")


@pytest.fixture
def ada(_templates: None) -> User:
    """A person who gets mails and pushes."""
    return person("ada", tokens=("token-of-ada",))


@pytest.fixture
def login(db: None) -> Login:
    """Log a member of staff in, who has one of the roles, or is a superuser."""

    def logged_in(role: str) -> Client:
        name = role.lower().replace(" ", "-")
        user = person(name, is_staff=True, is_superuser=role == "Superuser")
        if role in ROLES:
            user.groups.add(Group.objects.get(name=role))
        client = Client()
        client.force_login(user)
        return client

    return logged_in
