"""The examples of Swagger and of the browsable API can be sent as they are in the embedded mode."""

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.notifications.api import examples
from apps.notifications.embedded import demo

pytestmark = pytest.mark.django_db
SEND = "/api/v1/notifications/"


@pytest.fixture
def seeded(tmp_path: Path, settings: Any) -> demo.Demo:
    settings.EMBEDDED = True
    settings.DEMO_ENV_FILE = tmp_path / "demo.env"
    return demo.seed()


def documented(path: str = SEND) -> Any:
    accept = "application/vnd.oai.openapi+json"
    document = APIClient().get("/api/schema/", HTTP_ACCEPT=accept).json()
    content = document["paths"][path]["post"]["requestBody"]["content"]
    (example,) = next(iter(content.values()))["examples"].values()
    return example["value"]


def test_the_example_of_the_document_can_be_sent_as_it_is(seeded: demo.Demo) -> None:
    example = documented()
    assert example["user_id"] == str(seeded.user.pk)
    answer = APIClient(headers={"X-API-Key": seeded.api_key}).post(SEND, example, format="json")
    assert answer.status_code == 202, answer.json()


def test_every_row_of_the_example_of_a_bulk_call_is_accepted(seeded: demo.Demo) -> None:
    path = f"{SEND}bulk"
    caller = APIClient(headers={"X-API-Key": seeded.api_key})
    answer = caller.post(path, documented(path), format="json")
    assert answer.json()["rejected"] == 0, answer.json()


def test_the_example_of_the_browsable_api_can_be_sent_as_it_is(seeded: demo.Demo) -> None:
    caller = APIClient(headers={"X-API-Key": seeded.api_key})
    page = caller.get(SEND, HTTP_ACCEPT="text/html").content.decode()
    (form,) = re.findall(r'<textarea name="_content"[^>]*>(.*?)</textarea>', page, re.DOTALL)
    answer = caller.post(SEND, json.loads(html.unescape(form)), format="json")
    assert answer.status_code == 202, answer.json()


def test_without_a_demo_the_examples_keep_their_made_up_user(settings: Any) -> None:
    settings.EMBEDDED = True
    assert documented()["user_id"] == examples.USER_ID


def test_with_servers_the_demo_user_is_not_in_the_document(
    seeded: demo.Demo, settings: Any
) -> None:
    settings.EMBEDDED = False
    assert documented()["user_id"] == examples.USER_ID
