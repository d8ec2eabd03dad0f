"""Concurrent writers get a version each."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from apps.common.callers import Caller, Scope
from apps.templates.models import Template, TemplateVersion
from tests.templates.conftest import EMAIL, Api

CALLER = Caller(client="shop", scopes=frozenset(Scope))


@pytest.mark.django_db(transaction=True)
def test_eight_concurrent_puts_get_eight_version_numbers() -> None:
    Api(CALLER).post("", EMAIL)

    def put(number: int) -> int:
        try:
            body = {"subject": str(number), "body": "x"}
            return int(Api(CALLER).put("welcome", body).json()["version"])
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(put, range(8)))

    assert sorted(numbers) == [2, 3, 4, 5, 6, 7, 8, 9]
    assert TemplateVersion.objects.get(published=True).number == 9


@pytest.mark.django_db(transaction=True)
def test_of_eight_concurrent_posts_with_one_code_one_succeeds() -> None:
    def post(_: int) -> int:
        try:
            return int(Api(CALLER).post("", EMAIL).status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(post, range(8)))

    assert sorted(statuses) == [201] + [409] * 7
    assert Template.objects.count() == TemplateVersion.objects.count() == 1
