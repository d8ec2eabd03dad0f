"""The document for authors shows every tag and filter, and its examples are true."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from apps.templates.compiling.plain_text import text_of
from apps.templates.engine.filters import FILTERS
from apps.templates.engine.limits import Meter
from apps.templates.engine.releases import CURRENT
from apps.templates.engine.sandbox import RenderOptions
from apps.templates.engine.syntax import parse

TEXT = (Path(__file__).parents[2] / "docs/templates.md").read_text()
BLOCKS = re.findall(r"```liquid\n(.*?)```", TEXT, re.DOTALL)
EXAMPLES = [line.split(" → ", 1) for block in BLOCKS for line in block.splitlines()]
VARIABLES: dict[str, Any] = json.loads(re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)[0])
TAGS = ("assign", "break", "capture", "case", "comment", "continue", "cycle", "for", "if", "raw",
        "unless", "#")  # fmt: skip


@pytest.mark.parametrize(("source", "written"), EXAMPLES)
def test_an_example_becomes_what_the_document_says(source: str, written: str) -> None:
    options = RenderOptions(language="en", timezone="Europe/Berlin")
    rendered = parse(source).render(VARIABLES, Meter(), options)
    assert rendered.replace("\xa0", " ").replace("\n", "\\n") == written


def test_the_text_of_html_is_what_the_document_shows() -> None:
    shown = re.findall(r"```html\n(.*?)```\n\n```text\n(.*?)\n```", TEXT, re.DOTALL)
    assert shown
    for html, text in shown:
        assert text_of(html) == text


def test_every_filter_has_an_example() -> None:
    sources = " ".join(source for source, _ in EXAMPLES)
    assert [name for name in FILTERS[CURRENT] if not re.search(rf"\| {name}\b", sources)] == []


def test_every_tag_has_an_example() -> None:
    sources = " ".join(source for source, _ in EXAMPLES)
    assert [name for name in TAGS if f"{{% {name}" not in sources] == []
