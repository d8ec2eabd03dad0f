"""The demo creates what is missing, and leaves what its user has changed."""

from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.notifications.embedded import demo
from apps.templates.models import Template, TemplateVersion
from tests.notifications.factories import client_with

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def secrets_file(settings: Any, tmp_path: Path) -> None:
    settings.DEMO_ENV_FILE = tmp_path / "demo.env"


@pytest.fixture
def caller() -> APIClient:
    return client_with()


def sent() -> dict[tuple[str, str], int]:
    rows = TemplateVersion.objects.filter(published=True)
    return {
        (code, language): number
        for code, language, number in rows.values_list("template__code", "language", "number")
    }


def test_a_second_start_creates_nothing(caller: APIClient) -> None:
    first = demo.seed()
    before = sent()
    assert demo.seed() == first
    assert sent() == before


def test_a_second_start_sends_what_its_user_has_published(caller: APIClient) -> None:
    demo.seed()
    own = {"subject": "Mine", "body": "Mine"}
    assert caller.put("/api/v1/templates/welcome", own, format="json").status_code == 200

    demo.seed()

    assert sent()["welcome", "en"] == 2
    assert TemplateVersion.objects.get(number=2).content["subject"] == "Mine"


def test_a_missing_template_is_created_again(caller: APIClient) -> None:
    demo.seed()
    Template.objects.filter(code="order-shipped").delete()
    demo.seed()
    assert sent()["order-shipped", "en"] == 1
