"""What came of a call is said in one catalogue: the desk, the document and the API read it."""

from pathlib import Path
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

from apps.webhooks import meanings
from apps.webhooks.delivery.wire import TIMEOUT_SECONDS
from apps.webhooks.meanings import ERRORS, Meaning, explained
from apps.webhooks.models import DisabledReason
from apps.webhooks.schedule import DISABLE_AFTER, CallError

DOCUMENT = Path(__file__).parents[2] / "docs/webhooks.md"


def test_every_error_of_a_call_is_explained_with_what_to_do() -> None:
    assert set(ERRORS) == set(CallError)
    for meaning in (*ERRORS.values(), *meanings.STATUSES.values()):
        assert meaning.sentence.endswith(".")
        assert meaning.advice.endswith(".")
    assert set(meanings.DISABLED) == set(DisabledReason)
    assert DISABLE_AFTER.days == 5  # The sentence says so.
    assert f" {TIMEOUT_SECONDS:.0f} seconds" in ERRORS[CallError.TIMEOUT].sentence


@pytest.mark.parametrize(
    ("status_code", "words"),
    [
        (200, "took"),
        (204, "took"),
        (302, "redirect"),
        (401, "signature"),
        (404, "does not exist"),
        (410, "no more events"),
        (418, "refused"),
        (429, "too many"),
        (500, "failed"),
        (503, "takes no calls"),
        (599, "failed"),
        (100, "not 2xx"),
        (999, "not 2xx"),
    ],
)
def test_every_status_has_a_sentence(status_code: int, words: str) -> None:
    meaning = explained(status_code=status_code, error=None)
    assert words in meaning.sentence
    assert meaning.sentence.endswith(".")


def test_an_error_that_a_later_release_stored_is_shown_as_it_is() -> None:
    assert explained(status_code=None, error="shiny_new") == Meaning(
        sentence="There was no answer: shiny new.", advice=""
    )
    assert explained(status_code=None, error=None).sentence == "There was no answer."


def test_the_document_for_owners_has_the_catalogue() -> None:
    text = DOCUMENT.read_text()
    for error, meaning in ERRORS.items():
        assert f"| `{error}` | {meaning.sentence} | {meaning.advice} |" in text, error


def test_the_document_of_the_api_has_the_catalogue() -> None:
    generator: Any = SchemaGenerator
    document = generator().get_schema(request=None, public=True)
    said = document["components"]["schemas"]["Attempt"]["properties"]["error"]["description"]
    for error, meaning in ERRORS.items():
        assert f"`{error}`: {meaning.sentence}" in said
