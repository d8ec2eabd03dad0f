"""The document about files shows files that are taken as it says."""

import re
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.notifications.batches.columns import COLUMNS, KINDS
from apps.notifications.models import Notification
from apps.users.models import User
from tests.notifications.batches.batch_api import (
    accepted_batch_id,
    make_all_slices,
    read,
    upload,
)

pytestmark = pytest.mark.django_db
TEXT = (Path(__file__).parents[3] / "docs/files.md").read_text()
MEDIA_TYPES = {"csv": "text/csv", "ndjson": "application/x-ndjson"}
# The format, an option of the upload, and the file.
EXAMPLES = re.findall(r"```(csv|ndjson)(?:\?(\S+))?\n(.*?)```", TEXT, re.DOTALL)
TYPED = {"total": 150.5, "vip": True, "items": ["pen", "ink"]}


@pytest.mark.parametrize(("kind", "option", "text"), EXAMPLES)
def test_every_row_of_an_example_becomes_a_notification(
    shop: APIClient, alice: User, kind: str, option: str, text: str
) -> None:
    query = f"?notification_type=email&template_code=welcome&{option}" if kind == "csv" else ""
    raw = text.replace("USER", str(alice.pk))
    batch_id = accepted_batch_id(upload(shop, raw, media_type=MEDIA_TYPES[kind], query=query))
    make_all_slices()

    batch = read(shop, batch_id)
    rows = text.count("\n") - 1 if option else text.count("USER")
    assert (batch["accepted"], batch["rejected"]) == (rows, 0)
    links = set(Notification.objects.values_list("variables__link", flat=True))
    assert links <= {"https://example.com/a", "https://example.com/b"}


def variables_of(shop: APIClient, alice: User, mark: str) -> dict[str, Any]:
    (text,) = [text for *_, text in EXAMPLES if mark in text]
    query = "?notification_type=email&template_code=welcome"
    raw = text.replace("USER", str(alice.pk))
    accepted_batch_id(upload(shop, raw, media_type="text/csv", query=query))
    make_all_slices()
    return dict(Notification.objects.get().variables)


def test_the_typed_cells_are_what_the_document_says(shop: APIClient, alice: User) -> None:
    given = variables_of(shop, alice, "variables.vip:boolean")
    assert {name: given[name] for name in TYPED} == TYPED


def test_the_number_with_a_comma_is_what_the_document_says(shop: APIClient, alice: User) -> None:
    assert variables_of(shop, alice, "1.150,50")["total"] == 1150.5


def test_every_column_and_type_is_named() -> None:
    assert [name for name in COLUMNS if f"`{name}`" not in TEXT] == []
    assert [kind for kind in KINDS if f":{kind}" not in TEXT] == []
