"""Published versions are rendered for good as the engine did for which they were saved."""

import json
from pathlib import Path
from typing import Any

import pytest
from liquid.exceptions import LiquidError

from apps.templates.engine.filters import FILTERS
from apps.templates.engine.limits import Meter
from apps.templates.engine.releases import FIRST
from apps.templates.engine.syntax import parse

FROZEN = json.loads((Path(__file__).parent / "frozen/engine_1.json").read_text())
SOURCES = [(one["source"], one["html"]) for one in FROZEN["versions"]]


@pytest.mark.parametrize("saved", FROZEN["versions"], ids=lambda saved: saved["source"])
def test_a_version_of_the_first_engine_renders_byte_for_byte(saved: dict[str, Any]) -> None:
    parsed = parse(saved["source"], html=saved["html"], engine=FIRST)
    if "rendered" in saved:
        assert parsed.render(FROZEN["variables"], Meter()) == saved["rendered"]
        return
    with pytest.raises(LiquidError) as refused:
        parsed.render(FROZEN["variables"], Meter())
    assert str(refused.value.message) == saved["error"]


def test_the_frozen_versions_use_every_filter_of_the_first_engine() -> None:
    text = " ".join(source for source, _ in SOURCES)
    assert [name for name in FILTERS[FIRST] if f"| {name}" not in text] == []
