"""Each query parameter has one value: a repeated one is refused, on every endpoint."""

import re
from typing import Any

import pytest
from django.test import Client
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice
from rest_framework.test import APIClient

from apps.users.models import User
from apps.users.staff import second_factor
from tests.notifications.problems import assert_problem, pointers

pytestmark = pytest.mark.django_db
KEY = "3132333435363738393031323334353637383930"
UNKNOWN_ID = "0197b2f0-5a4e-7c3d-9f1e-2b7a6c5d4e3f"


def documented() -> list[tuple[str, str, str]]:
    """Return every query parameter of the OpenAPI document with its method and path."""
    found = []
    for path, operations in Client().get("/api/schema/?format=json").json()["paths"].items():
        for method, operation in operations.items():
            found += [
                (method, path, parameter["name"])
                for parameter in operation.get("parameters", [])
                if parameter["in"] == "query"
            ]
    return found


def test_every_documented_parameter_is_refused_when_given_twice(
    shop: APIClient, alice: User
) -> None:
    parameters = documented()
    assert {"cursor", "page_size", "status", "language", "version", "email", "state"} <= {
        name for _, _, name in parameters
    }
    known = {"template_code": "welcome", "user_id": str(alice.pk)}
    for method, path, name in parameters:
        filled = re.sub(r"{(\w+)}", lambda step: known.get(step[1], UNKNOWN_ID), path)
        answer = shop.generic(method.upper(), f"{filled}?{name}=1&{name}=1")
        if UNKNOWN_ID in filled and answer.status_code == 404:
            continue  # The missing object is reported before the parameters are checked.
        assert_problem(answer, 400)
        assert answer.json()["errors"] == [
            {
                "pointer": f"?{name}",
                "code": "repeated",
                "detail": "This parameter takes one value and is given more than once.",
            }
        ], (method, path)


@pytest.mark.parametrize(
    "query",
    [
        "status=sent&status=failed",
        "status=&status=",
        "status=sent&%73tatus=sent",
        "page_size=1&status=sent&page_size=1",
        "status&status",
        "unknown=1&unknown=2",
    ],
)
def test_a_repeated_parameter_is_refused_in_every_spelling(shop: APIClient, query: str) -> None:
    answer = shop.get(f"/api/v1/notifications/?{query}")
    assert_problem(answer, 400)
    assert [error["code"] for error in answer.json()["errors"]] == ["repeated"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/sandbox/", "channel"),
        ("/sandbox/", "before"),
        ("/account/reset-password", "token"),
        ("/account/confirm-email", "token"),
        ("/account/second-factor", "next"),
        ("/api/v1/", "format"),
    ],
)
def test_html_pages_refuse_a_repeated_parameter_as_well(
    charlie: User, path: str, name: str
) -> None:
    second_factor.enrol(charlie, key=KEY, code=f"{totp(bytes.fromhex(KEY)):06d}")
    browser = Client()
    browser.force_login(charlie)
    session = browser.session
    session["otp_device_id"] = TOTPDevice.objects.get().persistent_id
    session.save()
    answer = browser.get(f"{path}?{name}=json&{name}=json")
    assert_problem(answer, 400)
    assert pointers(answer) == [f"?{name}"]


def test_authentication_is_checked_before_query_parameters() -> None:
    answer = APIClient().get("/api/v1/notifications/?status=sent&status=sent")
    assert_problem(answer, 401)


def test_different_parameters_may_be_combined(shop: APIClient, alice: User) -> None:
    answer = shop.get(f"/api/v1/notifications/?status=sent&user_id={alice.pk}&page_size=1")
    assert answer.status_code == 200


def test_a_page_of_a_list_links_to_the_next(shop: APIClient, alice: User) -> None:
    User.objects.create_user(name="Bob", email="bob@example.com")
    first = shop.get("/api/v1/users/?page_size=1")
    second: Any = shop.get(first.json()["next"])
    assert second.status_code == 200
    assert second.json()["results"] != first.json()["results"]


def test_filters_of_the_admin_may_repeat_a_parameter(charlie: User) -> None:
    browser = Client()
    browser.force_login(charlie)
    answer = browser.get("/admin/users/user/?is_staff__exact=1&is_staff__exact=1")
    assert answer.status_code == 200
