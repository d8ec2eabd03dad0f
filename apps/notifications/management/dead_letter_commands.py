"""The subcommands of ``notify dead-letters``: list, show, replay and discard."""

import json
import time
from argparse import ArgumentTypeError, Namespace, _SubParsersAction
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from apps.common.channels import Channel
from apps.notifications.api.dead_letter_replays import progress_of
from apps.notifications.api.dead_letters import detail_of
from apps.notifications.dead_letters import replay_many, replay_one
from apps.notifications.dead_letters.filters import Filter
from apps.notifications.models import DeadLetter, DeadLetterReplay, LetterState, ReplayState

WATCH_SECONDS = 0.25
PRINT_SECONDS = 1.0
SHOWN = 50


def moment(text: str) -> datetime:
    """Parse a time given as an argument; without an offset it is UTC."""
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ArgumentTypeError("expected a time such as 2026-11-22T12:00:00Z") from None


class DeadLetterCommands:
    """The subcommands to list, replay and discard dead letters, with the functions of the API.

    Args:
        command: The parent command, which provides the output stream.
        by: The actor, for the audit trail.
    """

    def __init__(self, *, command: BaseCommand, by: str) -> None:
        self._command = command
        self._by = by

    def add_to(self, parser: CommandParser) -> None:
        """Add the subcommands to the parser of ``notify dead-letters``."""
        words = parser.add_subparsers(dest="dead_letter_word", required=True, metavar="command")
        listed = _word(words, "list", self.list, "List dead letters, newest first.")
        _add_filter(listed)
        states = [*(state.value for state in LetterState), "all"]
        listed.add_argument("--state", choices=states, default=LetterState.OPEN.value)
        listed.add_argument("--limit", type=int, default=SHOWN)

        shown = _word(words, "show", self.show, "Show all that is known about one.")
        shown.add_argument("letter", type=UUID)

        replayed = _word(words, "replay", self.replay, "Replay one, or all that match a filter.")
        replayed.add_argument("letter", type=UUID, nargs="?")
        _add_filter(replayed)
        replayed.add_argument("--all", action="store_true", help="Every open one.")
        replayed.add_argument("--rate", type=int, default=replay_many.RATE_DEFAULT_PER_SECOND)
        replayed.add_argument("--note", default="", help="Why, for the audit trail.")
        replayed.add_argument(
            "--may-have-arrived",
            action="store_true",
            help="With an id: replay a mail although the first copy may have arrived.",
        )
        replayed.add_argument("--dry-run", action="store_true", help="Only count.")
        replayed.add_argument(
            "--no-wait", action="store_true", help="Leave the work to the scheduler."
        )

        discarded = _word(words, "discard", self.discard, "Discard one.")
        discarded.add_argument("letter", type=UUID)
        discarded.add_argument("--reason", required=True)

    def list(self, arguments: Namespace) -> None:
        """Print a line for each letter, and the count of all that match."""
        letters = _filter_of(arguments).narrow(DeadLetter.objects.order_by("-pk"))
        if arguments.state != "all":
            letters = letters.filter(state=arguments.state)
        for letter in letters[: max(0, arguments.limit)]:
            what = letter.notification_id or f"poison {letter.message_id}"
            self._command.stdout.write(
                f"{letter.pk}  {letter.recorded_at:%Y-%m-%d %H:%M:%S}  {letter.state:<9}  "
                f"{letter.reason:<20}  {letter.channel:<5}  {letter.provider:<8}  "
                f"{letter.template_code}  {what}"
            )
        self._command.stdout.write(f"{letters.count()} match")

    def show(self, arguments: Namespace) -> None:
        """Print one letter in the format of the API."""
        self._print(detail_of(_find(arguments.letter)))

    def replay(self, arguments: Namespace) -> None:
        """Replay one letter, or start a bulk replay and wait until it ends."""
        asked = _filter_of(arguments)
        if arguments.letter is not None:
            if arguments.all or asked != Filter():
                raise CommandError("Give an id or a filter, not both.")
            self._replay_one(arguments)
            return
        if not arguments.all and asked == Filter():
            raise CommandError("Give an id, a filter, or --all.")
        if not 1 <= arguments.rate <= replay_many.RATE_MAX_PER_SECOND:
            message = f"--rate is from 1 to {replay_many.RATE_MAX_PER_SECOND} a second."
            raise CommandError(message)
        self._command.stdout.write(f"{replay_many.count(asked, kind='')} match")
        if arguments.dry_run:
            return
        replay = replay_many.start(
            asked, kind="", by=self._by, rate_per_second=arguments.rate, note=arguments.note[:500]
        )
        self._command.stdout.write(f"replay {replay.pk} at {replay.rate_per_second} a second")
        if not arguments.no_wait:
            self._follow(replay)

    def discard(self, arguments: Namespace) -> None:
        """Discard one letter with a reason."""
        reason = arguments.reason.strip()[:500]
        if not reason:
            raise CommandError("A reason is needed to discard.")
        letter = replay_one.discard(_find(arguments.letter).pk, by=self._by, reason=reason)
        self._command.stdout.write(f"{letter.pk} {letter.state}")

    def _replay_one(self, arguments: Namespace) -> None:
        letter = _find(arguments.letter)
        if arguments.dry_run:
            self._command.stdout.write(f"{1 if letter.state == LetterState.OPEN else 0} match")
            return
        done = replay_one.replay(
            letter.pk,
            by=self._by,
            note=arguments.note[:500],
            may_have_arrived=arguments.may_have_arrived,
        )
        if done.replayed_as:
            self._command.stdout.write(str(done.replayed_as))
        for pk in done.woken:
            self._command.stdout.write(f"woken {pk}")

    def _follow(self, replay: DeadLetterReplay) -> None:
        """Print the progress, and run slices here too, because the scheduler may not be running."""
        printed_at = 0.0
        while True:
            replay.refresh_from_db()
            ended = replay.state != ReplayState.RUNNING
            if ended or time.monotonic() - printed_at >= PRINT_SECONDS:
                printed_at = time.monotonic()
                progress = progress_of(replay)
                self._command.stdout.write(
                    f"{replay.state}: {replay.replayed} replayed, {replay.refused} refused, "
                    f"{progress['remaining']} remaining"
                )
            if ended:
                break
            if not replay_many.replay_slice():
                time.sleep(WATCH_SECONDS)
        for refusal in progress_of(replay)["refusals"]:
            self._command.stdout.write(f"  {refusal['count']} refused: {refusal['detail']}")

    def _print(self, document: Any) -> None:
        shown = json.dumps(document, indent=2, ensure_ascii=False, cls=DjangoJSONEncoder)
        self._command.stdout.write(shown)


def _word(
    words: "_SubParsersAction[CommandParser]",
    name: str,
    run: Callable[[Namespace], None],
    summary: str,
) -> CommandParser:
    added: CommandParser = words.add_parser(name, help=summary, description=summary)
    added.set_defaults(run=run)
    return added


def _add_filter(parser: CommandParser) -> None:
    parser.add_argument("--reason", help="Why it failed, such as attempts_exhausted.")
    parser.add_argument("--channel", choices=[channel.value for channel in Channel])
    parser.add_argument("--provider")
    parser.add_argument("--template")
    parser.add_argument("--since", type=moment, help="Recorded at this time or later.")
    parser.add_argument("--until", type=moment, help="Recorded before this time.")


def _filter_of(arguments: Namespace) -> Filter:
    return Filter(
        reason=arguments.reason,
        channel=arguments.channel,
        provider=arguments.provider,
        template_code=arguments.template,
        since=arguments.since,
        until=arguments.until,
    )


def _find(letter_id: UUID) -> DeadLetter:
    letter = DeadLetter.objects.select_related("notification").filter(pk=letter_id).first()
    if letter is None:
        raise CommandError("There is no such dead letter.")
    return letter
