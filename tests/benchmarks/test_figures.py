"""Tests of the benchmark's arithmetic and of its output."""

from dataclasses import fields, replace
from pathlib import Path

import pytest

from tests.benchmarks import plot, table
from tests.benchmarks.__main__ import main, pace_of, parsed, part_of
from tests.benchmarks.figures import Line, Reading, Turn, Used, counted, percentile, percentiles
from tests.benchmarks.pace import Pace
from tests.benchmarks.rows import ROWS
from tests.benchmarks.rows.soak import memory_words, settled
from tests.benchmarks.wrk import Answers

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"


def a_line(*ratios: float, p99: float = 0.02, least_ratio: float | None = 0.8) -> Line:
    return Line(
        row="mails",
        ours=Reading(rate=1234, times={"p99": p99}),
        against="a ceiling",
        ceiling=Reading(rate=2000),
        ratios=ratios,
        least_ratio=least_ratio,
        most={"p99": 0.1},
    )


def test_a_percentile_is_a_value_that_was_measured() -> None:
    waits = counted(number / 1000 for number in range(1, 101))

    assert percentiles(waits) == {"p50": 0.051, "p95": 0.096, "p99": 0.1}
    assert percentile({7.0: 1}, 0.99) == 7.0
    assert percentile({}, 0.5) == 0.0


def test_a_time_that_more_requests_took_counts_for_more_in_a_percentile() -> None:
    assert percentile({0.01: 970.0, 0.3: 30.0}, 0.95) == 0.01
    assert percentile({0.01: 940.0, 0.3: 60.0}, 0.95) == 0.3


def test_an_aim_is_met_when_ratio_and_times_are_good() -> None:
    assert a_line(0.85).met is True
    assert a_line(0.75).met is False
    assert a_line(0.85, p99=0.1).met is False
    assert a_line().met is False
    assert Line(row="x", ours=Reading(rate=1)).met is None
    assert Line(row="x", ours=Reading(rate=1), least_rate=2).met is False
    # A time that was not measured does not meet its limit.
    assert Line(row="x", ours=Reading(rate=1), most={"p99": 0.1}).met is False


def test_the_table_shows_the_aims_and_the_errors() -> None:
    lost = Line(row="push", ours=Reading(rate=5, wrong=("3 were lost",)))

    assert table.cells(a_line(0.6, 0.62, 0.63)) == [
        "mails", "1,234/s; p99 20 ms", "a ceiling", "2,000/s", "0.62 (0.60 to 0.63)",
        "≥ 0.8, p99 < 100 ms", "NO",
    ]  # fmt: skip
    assert table.cells(lost)[-1] == "WRONG"
    assert "WRONG in push: 3 were lost" in table.plain([a_line(1.0), lost])


def test_a_row_without_a_rate_shows_its_times_alone() -> None:
    assert table.figures(Reading(times={"p95": 0.03})) == "p95 30 ms"
    assert table.figures(Reading()) == "0/s"


def test_the_ratio_of_a_line_is_the_median_of_its_rounds_and_not_of_the_rates() -> None:
    line = a_line(0.9, 0.8, 0.85, 0.84, 0.7)

    assert line.ratio == 0.84
    assert line.spread == pytest.approx(0.2 / 0.84)
    assert table.ratio(line).startswith("0.84 (0.70 to 0.90)")


def test_a_ratio_with_a_spread_over_15_percent_is_marked_as_not_to_be_quoted() -> None:
    narrow, wide = a_line(0.925, 1.0, 1.075), a_line(0.92, 1.0, 1.08)

    assert narrow.quotable is True
    assert table.ratio(narrow) == "1.00 (0.93 to 1.07)"
    assert wide.quotable is False
    assert table.ratio(wide) == "1.00 (0.92 to 1.08), not to be quoted"
    assert "not to be quoted" in table.markdown([wide], machine="A machine.", part=table.LONG)


def test_an_aim_is_not_shown_as_met_when_the_rounds_do_not_agree() -> None:
    assert table.met(a_line(0.9, 0.95)) == "yes"
    assert table.met(a_line(0.9, 1.2)) == "unclear"
    assert table.met(a_line(0.9)) == "unclear"
    assert table.met(a_line(0.5, 0.7)) == "NO"
    assert table.met(a_line(0.9, 1.2, least_ratio=None)) == "yes"


def test_a_ratio_of_a_single_round_has_no_spread_and_is_not_to_be_quoted() -> None:
    assert a_line(0.9).spread is None
    assert table.ratio(a_line(0.9)) == "0.90 (one round), not to be quoted"
    assert table.ratio(Line(row="x", ours=Reading(rate=1))) == ""


def test_the_table_replaces_only_the_text_between_its_markers(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    begin, end = table.markers(table.USUAL)
    document.write_text(f"Before\n{begin}\nold\n{end}\nafter\n")

    text = table.markdown([a_line(0.9)], machine="A machine.", part=table.USUAL)
    table.write_between_markers(document, text, part=table.USUAL)

    written = document.read_text()
    assert written.startswith(f"Before\n{begin}\n\nA machine.\n\n| row |")
    assert written.endswith(f"{end}\nafter\n")
    assert "old" not in written


def test_a_document_without_markers_is_not_changed(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text("Only words.\n")

    with pytest.raises(ValueError, match="has no <!-- make bench: begin -->"):
        table.write_between_markers(document, "x", part=table.USUAL)
    assert document.read_text() == "Only words.\n"


def test_the_picture_has_a_bar_for_each_ratio_with_an_aim() -> None:
    lines = [a_line(0.9, 0.9), a_line(0.5, 0.5), a_line(0.5, 0.5, least_ratio=None)]

    drawn = plot.svg(lines)

    assert drawn.count(f'fill="{plot.MET}"') == 1
    assert drawn.count(f'fill="{plot.MISSED}"') == 1
    assert drawn.count("mails / a ceiling") == 2
    assert table.NOT_QUOTABLE not in drawn


def test_the_picture_shows_neither_met_nor_missed_for_a_ratio_that_is_not_to_be_quoted() -> None:
    drawn = plot.svg([a_line(0.9, 1.2)])

    assert drawn.count(f'fill="{plot.UNSURE}"') == 1
    assert f'fill="{plot.MET}"' not in drawn
    assert "1.05 (0.90 to 1.20), not to be quoted" in drawn


def test_refusals_and_broken_connections_are_errors_and_not_part_of_the_rate() -> None:
    good = Answers(requests=1000, seconds=10, waits=[0.01, 0.01, 0.01, 0.03], refused=0, broken=0)
    bad = Answers(requests=1000, seconds=10, waits=[0.01], refused=100, broken=2)

    assert good.turn(Used()) == Turn(units=1000, seconds=10, waits={0.01: 750.0, 0.03: 250.0})
    assert bad.turn(Used()).rate == 90
    assert bad.turn(Used()).wrong == ("100 refusals and 2 broken connections",)


def test_a_turn_has_its_share_of_a_round_and_at_least_the_second_that_wrk_needs() -> None:
    pace = Pace(turns=4, delivery_turns=2, seconds=8, bulk_rows=40_000, mails=20_000, pushes=1)

    assert (pace.turn_seconds, pace.turn_mails, pace.turn_rows) == (2.0, 10_000, 10_000)
    assert pace.turn_pushes == 1
    assert Pace(turns=4, seconds=2).turn_seconds == 1.0


def test_memory_is_compared_only_after_the_settling_time() -> None:
    samples = [{"web": float(mb)} for mb in (100, 150, 180, 200, 201, 202, 202, 203, 203, 204)]

    assert settled(samples)[0] == {"web": 200.0}
    assert memory_words(samples).endswith("web 100, 200, 204")


@pytest.mark.parametrize(
    ("names", "stored", "part"),
    [
        (["single", "upload"], 0, table.USUAL),
        (["upload", "soak"], 0, table.LONG),
        (["lists"], 5_000_000, table.LISTS),
        (["single"], 5_000_000, table.STORED),
    ],
)
def test_a_run_replaces_the_table_of_its_rows(names: list[str], stored: int, part: str) -> None:
    assert part_of(names, stored=stored) == part


def test_every_row_and_every_part_are_in_the_document() -> None:
    text = DOCUMENT.read_text()

    for part in (table.USUAL, table.LONG, table.LISTS, table.STORED):
        assert all(mark in text for mark in table.markers(part))
    assert [name for name in ROWS if f"| `{name}` |" not in text] == []


def test_the_command_line_sets_every_size_of_the_rounds_except_the_offered_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual = Pace()
    sizes = {field.name for field in fields(Pace)} - {"offered", "alone"}
    options = [f"--{name.replace('_', '-')}={getattr(usual, name) + 1}" for name in sizes]
    monkeypatch.setattr("sys.argv", ["tests.benchmarks", "--alone", *options])

    wanted = {name: getattr(usual, name) + 1 for name in sizes}
    assert pace_of(parsed()) == replace(usual, alone=True, **wanted)


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
