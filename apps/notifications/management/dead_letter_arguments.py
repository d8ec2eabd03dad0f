"""The arguments of ``notify dead-letters``."""

from uuid import UUID

from django.core.management.base import CommandParser

from apps.common.channels import Channel
from apps.notifications.lifecycle.states import LetterState
from apps.notifications.management.arguments import Words, add_word, moment

MODULE = "dead_letter_commands"
SHOWN = 50


def add_to(parser: CommandParser) -> None:
    """Add the subcommands to the parser of ``notify dead-letters``."""
    words = parser.add_subparsers(dest="dead_letter_word", required=True, metavar="command")
    _add_reading(words)
    _add_replay(words)
    discarded = add_word(words, "discard", f"{MODULE}.discard", "Discard one.")
    discarded.add_argument("letter", type=UUID)
    discarded.add_argument("--reason", required=True)


def _add_reading(words: Words) -> None:
    listed = add_word(words, "list", f"{MODULE}.print_list", "List dead letters, newest first.")
    _add_filter(listed)
    states = [*(state.value for state in LetterState), "all"]
    listed.add_argument("--state", choices=states, default=LetterState.OPEN.value)
    listed.add_argument("--limit", type=int, default=SHOWN)
    shown = add_word(words, "show", f"{MODULE}.show", "Show all that is known about one.")
    shown.add_argument("letter", type=UUID)


def _add_replay(words: Words) -> None:
    summary = "Replay one, or all that match a filter."
    replayed = add_word(words, "replay", f"{MODULE}.replay", summary)
    replayed.add_argument("letter", type=UUID, nargs="?")
    _add_filter(replayed)
    replayed.add_argument("--all", action="store_true", help="Every open one.")
    replayed.add_argument("--rate", type=int, help="Letters a second; 50 by default.")
    replayed.add_argument("--note", default="", help="Why, for the audit trail.")
    replayed.add_argument(
        "--may-have-arrived",
        action="store_true",
        help="With an id: replay a mail although the first copy may have arrived.",
    )
    replayed.add_argument("--dry-run", action="store_true", help="Only count.")
    replayed.add_argument("--no-wait", action="store_true", help="Leave the work to the scheduler.")


def _add_filter(parser: CommandParser) -> None:
    parser.add_argument("--reason", help="Why it failed, such as attempts_exhausted.")
    parser.add_argument("--channel", choices=[channel.value for channel in Channel])
    parser.add_argument("--provider")
    parser.add_argument("--template")
    parser.add_argument("--since", type=moment, help="Recorded at this time or later.")
    parser.add_argument("--until", type=moment, help="Recorded before this time.")
