"""The examples of Swagger and of the browsable API can be sent as they are in the embedded mode."""

import html
import re
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

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


FORMS = {
    SEND: 202,
    f"{SEND}bulk": 202,
    f"{SEND}broadcast": 202,
    "/api/v1/batches/upload": 202,
    "/api/v1/users/": 201,
    "/api/v1/templates/": 201,
    "/api/v1/templates/welcome/preview": 200,
    "/api/v1/templates/welcome/test-send": 202,
    "/api/v1/users/USER/devices/": 201,
}


@pytest.mark.parametrize("path", FORMS)
def test_the_example_of_a_form_can_be_sent_as_it_is(seeded: demo.Demo, path: str) -> None:
    caller = APIClient(headers={"X-API-Key": seeded.api_key})
    address = path.replace("USER", str(seeded.user.pk))
    page = caller.get(address, HTTP_ACCEPT="text/html").content.decode()
    (form,) = re.findall(r'<textarea name="_content"[^>]*>(.*?)</textarea>', page, re.DOTALL)
    (first,) = re.findall(r'<select name="_content_type".*?value="([^"]+)"', page, re.DOTALL)

    answer = caller.generic("POST", address, html.unescape(form).lstrip("\n"), content_type=first)

    assert answer.status_code == FORMS[path], answer.json()
