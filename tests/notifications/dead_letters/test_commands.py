"""The command line for dead letters: list, show, replay, discard."""

import io
import json
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from apps.notifications.models import DeadLetterReplay
from apps.users.models import User
from tests.notifications.dead_letters.letters import audit_trail, dead_letter, poison, replays_of
from tests.notifications.factories import accepted

pytestmark = pytest.mark.django_db


def run(*words: str) -> list[str]:
    out = io.StringIO()
    call_command("notify", "dead-letters", *words, stdout=out)
    return out.getvalue().splitlines()


def test_list_prints_a_line_for_each_letter_and_the_count(alice: User) -> None:
    first, second = dead_letter(alice), dead_letter(alice, reason="rejected", provider="sendgrid")
    lines = run("list")
    assert [line.split()[0] for line in lines[:-1]] == [str(second.pk), str(first.pk)]
    assert lines[-1] == "2 match"
    assert "rejected" in lines[0]
    assert "alice" not in " ".join(lines)
    assert run("list", "--reason=rejected")[-1] == "1 match"
    assert run("list", "--provider=sendgrid", "--channel=email")[-1] == "1 match"
    assert run("list", "--template=nowhere") == ["0 match"]
    assert run("list", f"--since={second.recorded_at.isoformat()}")[-1] == "1 match"
    assert run("list", "--until=2026-01-01") == ["0 match"]
    assert run("list", "--state=replayed") == ["0 match"]
    assert len(run("list", "--limit=1")) == 2


def test_show_prints_what_the_api_shows(alice: User) -> None:
    letter = dead_letter(alice)
    shown = json.loads("\n".join(run("show", str(letter.pk))))
    assert (shown["id"], shown["state"]) == (str(letter.pk), "open")
    assert [entry["status"] for entry in shown["timeline"]] == ["pending", "sending"]
    thrown_out = poison("x")
    shown = json.loads("\n".join(run("show", str(thrown_out.pk))))
    assert shown["x_death"][0]["reason"] == "rejected"


def test_replay_of_one_prints_the_new_id(alice: User) -> None:
    letter = dead_letter(alice)
    printed = run("replay", str(letter.pk), "--note=fixed")
    assert printed == [str(replays_of(letter)[0].pk)]
    assert audit_trail() == [("replayed", "operator", "fixed")]


def test_replay_of_poison_prints_the_ids_that_it_woke(alice: User) -> None:
    row = accepted(alice)
    assert run("replay", str(poison(row.pk).pk)) == [f"woken {row.pk}"]


def test_replay_of_many_prints_the_count_and_the_progress(alice: User) -> None:
    letters = [dead_letter(alice) for _ in range(3)]
    other = dead_letter(alice, reason="rejected")
    poison("x")
    lines = run("replay", "--reason=attempts_exhausted", "--rate=1000")
    assert lines[0] == "3 match"
    replay = DeadLetterReplay.objects.get()
    assert lines[1] == f"replay {replay.pk} at 1000 a second"
    assert lines[-1] == "finished: 3 replayed, 0 refused, 0 remaining"
    assert [len(replays_of(letter)) for letter in letters] == [1] * 3
    assert replays_of(other) == []
    lines = run("replay", "--all", "--rate=1000")
    assert lines[0] == "2 match"
    assert lines[-2:] == [
        "finished: 1 replayed, 1 refused, 0 remaining",
        "  1 refused: This message names no notification, so it can only be discarded.",
    ]


def test_a_dry_run_only_counts(alice: User) -> None:
    letter = dead_letter(alice)
    assert run("replay", "--all", "--dry-run") == ["1 match"]
    assert run("replay", str(letter.pk), "--dry-run") == ["1 match"]
    assert (replays_of(letter), DeadLetterReplay.objects.count()) == ([], 0)


def test_a_replay_of_many_may_be_left_to_the_scheduler(alice: User) -> None:
    letter = dead_letter(alice)
    assert len(run("replay", "--all", "--no-wait")) == 2
    assert DeadLetterReplay.objects.get().state == "running"
    assert replays_of(letter) == []


def test_discard_needs_a_reason(alice: User) -> None:
    letter = dead_letter(alice)
    assert run("discard", str(letter.pk), "--reason=over") == [f"{letter.pk} discarded"]
    assert audit_trail() == [("discarded", "operator", "over")]


@pytest.mark.parametrize(
    "words",
    [
        ["replay"],
        ["replay", "--rate=0", "--all"],
        ["replay", "--rate=1001", "--all"],
        ["replay", "no-id"],
        ["replay", str(uuid4())],
        ["show", str(uuid4())],
        ["discard", str(uuid4()), "--reason=x"],
        ["discard", "{letter}", "--reason= "],
        ["discard", "{letter}"],
        ["replay", "{letter}", "--all"],
        ["replay", "{letter}", "--channel=email"],
        ["replay", "--since=yesterday"],
        ["list", "--channel=pigeon"],
        [],
    ],
)
def test_invalid_arguments_are_refused_and_change_nothing(alice: User, words: list[str]) -> None:
    letter = dead_letter(alice)
    with pytest.raises(CommandError):
        run(*(word.format(letter=letter.pk) for word in words))
    letter.refresh_from_db()
    assert (letter.state, audit_trail()) == ("open", [])


def test_a_refusal_prints_its_reason(alice: User) -> None:
    with pytest.raises(CommandError, match="can only be discarded"):
        run("replay", str(poison("x").pk))
