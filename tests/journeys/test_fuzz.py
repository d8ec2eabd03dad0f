"""A short run of the fuzzer; ``make fuzz`` is the long run."""

from pathlib import Path

import pytest

from tests.fuzz import fuzz

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(180)]


def test_no_500_and_no_undocumented_answer(tmp_path: Path) -> None:
    code, printed = fuzz(tmp_path, examples=10, timeout_seconds=150)

    # What was found comes before the warnings, which may be longer than a terminal.
    found = max(printed.find("= FAILURES ="), 0)
    assert code == 0, printed[found:][:6000]
