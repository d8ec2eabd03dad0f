"""Tests of the benchmark's arithmetic and of its output."""

from pathlib import Path

import pytest

from tests.benchmarks import plot, table
from tests.benchmarks.__main__ import main
from tests.benchmarks.figures import Line, Reading, alternate, median, percentile, percentiles
from tests.benchmarks.rows import ROWS
from tests.benchmarks.rows.soak import memory_words, settled
from tests.benchmarks.wrk import Answers

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"


def a_line(
    rate: float, ceiling: float, *, p99: float = 0.02, least_ratio: float | None = 0.8
) -> Line:
    return Line(
        row="mails",
        ours=Reading(rate=rate, times={"p99": p99}),
        against="a ceiling",
        ceiling=Reading(rate=ceiling),
        least_ratio=least_ratio,
        most={"p99": 0.1},
    )


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [number / 1000 for number in range(1, 101)]

    assert percentiles(values) == {"p50": 0.051, "p95": 0.096, "p99": 0.1}
    assert percentile([7.0], 0.99) == 7.0
    assert percentile([], 0.5) == 0.0


def test_rounds_are_merged_by_median_and_keep_all_errors() -> None:
    rounds = [
        Reading(rate=100, times={"p50": 0.01}, cpu={"web": 0.5}),
        Reading(rate=900, times={"p50": 0.09}, cpu={"web": 0.9}, wrong=("one was lost",)),
        Reading(rate=110, times={"p50": 0.02}, cpu={"web": 0.6}),
    ]

    assert median(rounds) == Reading(
        rate=110, times={"p50": 0.02}, cpu={"web": 0.6}, wrong=("one was lost",)
    )


def test_contenders_run_in_turn_and_in_reverse_order_every_second_round() -> None:
    ran: list[str] = []

    def round_of(name: str, rate: float) -> Reading:
        ran.append(name)
        return Reading(rate=rate)

    found = alternate({"a": lambda: round_of("a", 1), "b": lambda: round_of("b", 2)}, rounds=3)

    assert ran == ["a", "b", "b", "a", "a", "b"]
    assert {name: reading.rate for name, reading in found.items()} == {"a": 1, "b": 2}


def test_an_aim_is_met_when_ratio_and_times_are_good() -> None:
    assert a_line(85, 100).ratio == 0.85
    assert a_line(85, 100).met is True
    assert a_line(75, 100).met is False
    assert a_line(85, 100, p99=0.1).met is False
    assert a_line(85, 0).met is False
    assert Line(row="x", ours=Reading(rate=1)).met is None
    assert Line(row="x", ours=Reading(rate=1), least_rate=2).met is False
    # A time that was not measured does not meet its limit.
    assert Line(row="x", ours=Reading(rate=1), most={"p99": 0.1}).met is False


def test_the_table_shows_the_aims_and_the_errors() -> None:
    lost = Line(row="push", ours=Reading(rate=5, wrong=("3 were lost",)))

    assert table.cells(a_line(1234, 2000)) == [
        "mails", "1,234/s; p99 20 ms", "a ceiling", "2,000/s", "0.62", "≥ 0.8, p99 < 100 ms", "NO",
    ]  # fmt: skip
    assert table.cells(lost)[-1] == "WRONG"
    assert "WRONG in push: 3 were lost" in table.plain([a_line(1, 1), lost])


def test_the_table_replaces_only_the_text_between_its_markers(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    begin, end = table.markers(table.USUAL)
    document.write_text(f"Before\n{begin}\nold\n{end}\nafter\n")

    text = table.markdown([a_line(9, 10)], machine="A machine.", picture="x.svg")
    table.write_between_markers(document, text)

    written = document.read_text()
    assert written.startswith(f"Before\n{begin}\n\nA machine.\n\n| row |")
    assert written.endswith(f"{end}\nafter\n")
    assert "old" not in written


def test_a_document_without_markers_is_not_changed(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text("Only words.\n")

    with pytest.raises(ValueError, match="has no <!-- make bench: begin -->"):
        table.write_between_markers(document, "x")
    assert document.read_text() == "Only words.\n"


def test_the_picture_has_a_bar_for_each_ratio_with_an_aim() -> None:
    lines = [a_line(90, 100), a_line(50, 100), a_line(50, 100, least_ratio=None)]

    drawn = plot.svg(lines)

    assert drawn.count(f'fill="{plot.MET}"') == 1
    assert drawn.count(f'fill="{plot.MISSED}"') == 1
    assert drawn.count("mails / a ceiling") == 2


def test_refusals_and_broken_connections_are_errors_and_not_part_of_the_rate() -> None:
    times = {"p50": 0.01, "p95": 0.02, "p99": 0.03, "longest": 0.04}
    good = Answers(requests=1000, seconds=10, refused=0, broken=0, **times)
    bad = Answers(requests=1000, seconds=10, refused=100, broken=2, **times)

    assert good.reading() == Reading(rate=100, times={"p50": 0.01, "p95": 0.02, "p99": 0.03})
    assert bad.reading().rate == 90
    assert bad.reading().wrong == ("100 refusals and 2 broken connections",)


def test_memory_is_compared_only_after_the_settling_time() -> None:
    samples = [{"web": float(mb)} for mb in (100, 150, 180, 200, 201, 202, 202, 203, 203, 204)]

    assert settled(samples)[0] == {"web": 200.0}
    assert memory_words(samples).endswith("web 100, 200, 204")


def test_every_row_and_both_parts_are_in_the_document() -> None:
    text = DOCUMENT.read_text()

    for part in (table.USUAL, table.STORED):
        assert all(mark in text for mark in table.markers(part))
    assert [name for name in ROWS if f"| `{name}` |" not in text] == []


def test_an_unknown_row_starts_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["tests.benchmarks", "speed"])

    assert main() == 2
    assert "There is no row called speed." in capsys.readouterr().out


def test_the_list_names_every_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["tests.benchmarks", "list"])

    assert main() == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(ROWS)
