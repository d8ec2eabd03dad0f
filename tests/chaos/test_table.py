"""The table contains the results and can be written into a document."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.copies import NO_COPIES
from tests.chaos.faults import FAULTS
from tests.chaos.ledger import Account
from tests.chaos.run import Result
from tests.chaos.table import (
    BEGIN,
    END,
    HEAD,
    cells,
    markdown,
    window_words,
    write_between_markers,
)
from tests.journeys.processes import ROOT


def result(name: str = "smtp-550", **changes: Any) -> Result:
    fields: dict[str, Any] = {
        "fault": FAULTS[name],
        "account": Account(accepted=10, delivered=10),
        "p99_before": 0.0121,
        "p99_during": 0.0305,
        "drain": 6.4,
        "errors": 0,
        "never_accepted": 0,
        "window": [0.007],
    }
    return Result(**fields | changes)


def shown(**changes: Any) -> dict[str, str]:
    return dict(zip(HEAD, cells(result(**changes)), strict=True))


def test_a_table_line_has_every_figure() -> None:
    account = Account(
        accepted=10,
        delivered=7,
        endings=Counter({"failed (rejected)": 2, "bounced (hard_bounce)": 1}),
        doubled=3,
        explained=4,
        replayed=2,
    )

    assert shown(account=account, errors=4, told=9) == {
        "fault": "smtp-550",
        "accepted": "10",
        "delivered": "7",
        "other endings": "1 bounced (hard_bounce), 2 failed (rejected)",
        "lost": "0",
        "doubled": "3, same id",
        "explained": "4",
        "API errors": "4",
        "p99 before (ms)": "12",
        "p99 during (ms)": "30",
        "drained (s)": "6",
        "replayed": "2",
        "events told": "9",
    }


def test_a_copy_under_another_id_is_shown() -> None:
    account = Account(accepted=1, delivered=1, doubled=1, strange=["ref-a a: ['a', 'b']"])

    assert shown(account=account)["doubled"] == "1, 1 with another id"


def test_a_fault_that_never_drained_is_shown() -> None:
    assert shown(drain=None)["drained (s)"] == "never"


def test_a_fault_without_figures_has_its_own_line() -> None:
    why = "NOT POSSIBLE HERE: needs faketime"
    written = markdown([result()], without_figures=[("clock-forward", why)], machine="Here.")

    assert f"| clock-forward | **{why}** |" in written
    assert written.startswith("Here.\n\n| fault | accepted |")


def test_the_duplicate_window_is_shown_with_the_fault_with_the_longest_one() -> None:
    results = [result(), result("fcm-hangs", window=[0.009, 10.2])]

    assert window_words(results) == (
        "The duplicate window, from the provider's taking of a message to the commit of our "
        "record: p50 9 ms, p99 10200 ms, longest 10200 ms (under `fcm-hangs`), over 3 deliveries."
    )


def test_the_table_replaces_the_text_between_the_markers(tmp_path: Path) -> None:
    document = tmp_path / "benchmarks.md"
    document.write_text(f"# Title\n\n{BEGIN}\nold\n{END}\n\nAfter.\n")

    write_between_markers(document, "new")

    assert document.read_text() == f"# Title\n\n{BEGIN}\n\nnew\n\n{END}\n\nAfter.\n"


def test_a_document_without_markers_is_not_changed(tmp_path: Path) -> None:
    document = tmp_path / "benchmarks.md"
    document.write_text("# Title\n")

    with pytest.raises(ValueError, match="has no"):
        write_between_markers(document, "new")

    assert document.read_text() == "# Title\n"


def test_every_fault_with_copies_or_endings_is_explained_in_the_document() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text()
    explanations = text[text.index(END) :]

    assert BEGIN in text
    assert [
        name
        for name, fault in FAULTS.items()
        if (fault.copies.why or fault.endings) and f"`{name}`" not in explanations
    ] == []


def test_every_ending_that_a_fault_allows_is_in_the_document() -> None:
    explanations = (ROOT / "docs" / "benchmarks.md").read_text().partition(END)[2]
    named = {ending for fault in FAULTS.values() for ending in fault.endings}

    assert [ending for ending in sorted(named) if f"`{ending}`" not in explanations] == []


def test_the_readme_has_the_number_of_faults() -> None:
    # The fault "nothing" does not count.
    assert f"in {len(FAULTS) - 1} ways" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    "name",
    [
        "sessions-ended",
        "table-locked",
        "addresses-deadlock",
        "devices-deadlock",
        "smtp-drips",
        "smtp-slow-after-dot",
        "rolling-restart",
        "upgrade",
        "postgresql-restarted",
        "postgresql-frozen",
        "clock-forward",
    ],
)
def test_a_fault_that_leaves_no_unknown_outcome_explains_no_copy(name: str) -> None:
    assert FAULTS[name].copies is NO_COPIES
