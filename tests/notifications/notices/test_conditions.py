"""Each condition has words, a page of the desk and a section of the runbook."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from django.urls import resolve

from apps.notifications.notices import conditions
from apps.notifications.notices.conditions import MANY, WORDINGS, Condition, Facts

ROOT = Path(__file__).resolve().parents[3]
RUNBOOK = (ROOT / "docs/runbook.md").read_text()
FACTS: Mapping[Condition, Facts] = {
    Condition.BREAKER_OPEN: {"reason": "credentials"},
    Condition.WEBHOOK_DISABLED: {"name": "https://shop.example.com/hook", "why": "It is gone."},
    Condition.DEAD_LETTERS: {"count": 1_200, "reason": "rejected"},
    Condition.OVERDUE: {"seconds": 75},
}


@pytest.mark.parametrize("condition", Condition)
def test_a_condition_leads_to_a_page_and_to_a_section_of_the_runbook(condition: Condition) -> None:
    wording = WORDINGS[condition]
    assert resolve(wording.page)
    assert re.search(rf"^## {re.escape(wording.section)}$", RUNBOOK, re.MULTILINE)


@pytest.mark.parametrize("condition", Condition)
def test_what_is_said_are_whole_sentences(condition: Condition) -> None:
    about = (condition, "smtp", FACTS[condition])
    assert conditions.said(*about).endswith(".")
    assert conditions.over(*about).endswith(".")
    assert not conditions.title(*about).endswith(".")
    assert WORDINGS[condition].advice.endswith(".")


@pytest.mark.parametrize("condition", Condition)
def test_many_subjects_are_named(condition: Condition) -> None:
    facts: Facts = {"count": 9, "names": ["one", "two", "others"]}
    assert conditions.said(condition, MANY, facts).endswith(": one, two, others.")
    assert conditions.title(condition, MANY, facts).startswith("9 ")


def test_the_words_name_what_happened() -> None:
    said = {each: conditions.said(each, "smtp", FACTS[each]) for each in Condition}
    assert said[Condition.BREAKER_OPEN].startswith("The breaker of smtp is open. ")
    assert "https://shop.example.com/hook was disabled" in said[Condition.WEBHOOK_DISABLED]
    assert (
        "1,200 or more messages failed for good within 10 minutes."
        in (said[Condition.DEAD_LETTERS])
    )
    assert "has waited for 75 seconds" in said[Condition.OVERDUE]
    assert conditions.waited(3_700) == "61 minutes"
