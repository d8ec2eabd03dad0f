"""Invalid paths and query parameters are refused by name; none of them causes a 500."""

from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from tests.notifications.problems import assert_problem, pointers

pytestmark = pytest.mark.django_db

SEND = "/api/v1/notifications/"


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/notifications/\0",
        "/api/v1/notifications/%00",
        "/api/v1/notifications/?status=%00",
        "/api/v1/notifications/?template_code=a%00b",
        "/api/v1/templates/a%00b",
        "/%00",
    ],
)
def test_a_nul_in_the_url_is_a_400(shop: APIClient, path: str) -> None:
    assert_problem(shop.get(path), 400)


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("status=nonsense", "?status"),
        ("status=", "?status"),
        ("notification_type=sms", "?notification_type"),
        ("user_id=1", "?user_id"),
        ("template_code=", "?template_code"),
        ("template_code=" + "x" * 101, "?template_code"),
        ("request_id=" + "x" * 256, "?request_id"),
        ("correlation_id=" + "x" * 129, "?correlation_id"),
        ("created_after=yesterday", "?created_after"),
        ("created_before=2026-02-30T00:00:00Z", "?created_before"),
        ("created_after=9999-12-31T23:59:59-23:00", "?created_after"),
        ("created_before=0001-01-01T00:00:00%2B23:00", "?created_before"),
        ("nonsense=1", "?nonsense"),
        ("page_size=0", "?page_size"),
        ("page_size=201", "?page_size"),
        ("page_size=x", "?page_size"),
        ("page_size=" + "9" * 5000, "?page_size"),
        ("page_size=%C2%B2", "?page_size"),
        ("cursor=nonsense", "?cursor"),
        ("cursor=cD1ub25zZW5zZQ==", "?cursor"),
        ("cursor=bz05OTk5OTk5OTk5OTk5OTk5OTk5OTk=", "?cursor"),
        ("cursor=%F0%9F%92%A9", "?cursor"),
        ("cursor=" + "A" * 5000, "?cursor"),
    ],
)
def test_a_bad_query_parameter_is_named(shop: APIClient, query: str, pointer: str) -> None:
    answer = shop.get(f"{SEND}?{query}")
    assert_problem(answer, 400)
    assert pointers(answer) == [pointer]


@pytest.mark.parametrize("query", ["status=%ff", "request_id=%ed%a0%80", "user_id=%ff"])
def test_invalid_utf8_in_a_query_is_not_a_500(shop: APIClient, query: str) -> None:
    assert shop.get(f"{SEND}?{query}").status_code in {200, 400}


@pytest.mark.parametrize("path", ["", "/status", "/cancel", "/replay"])
def test_an_invalid_or_unknown_id_is_a_404(shop: APIClient, path: str) -> None:
    for pk in ("1", "nobody", str(uuid4()), "0" * 5000):
        method = shop.post if path in {"/cancel", "/replay"} else shop.get
        assert_problem(method(f"{SEND}{pk}{path}"), 404)
