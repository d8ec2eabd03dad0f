"""The operator's command line: ``manage.py notify send|preview|replay|doctor|…``."""

from argparse import Namespace
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.module_loading import import_string

from apps.common.callers import Kind, Scope
from apps.common.ids import new_id
from apps.common.middleware.correlation import correlated
from apps.notifications.management import dead_letter_arguments
from apps.notifications.management.arguments import OPERATOR, Words, add_word, json_object
from apps.notifications.operations.checks import ENVIRONMENT


class Command(BaseCommand):
    help = (
        "Send, preview and replay notifications; look after keys, templates and the installation."
    )
    requires_system_checks = ENVIRONMENT

    def add_arguments(self, parser: CommandParser) -> None:
        words = parser.add_subparsers(dest="word", required=True, metavar="command")
        _add_notifications(words)
        about_letters = "Look through dead letters, replay and discard them."
        letters = words.add_parser("dead-letters", help=about_letters, description=about_letters)
        dead_letter_arguments.add_to(letters)
        add_word(words, "doctor", "doctor.doctor", "Check what the installation depends on.")
        about_bounce = "Take a mail of the bounce mailbox from standard input."
        add_word(words, "bounce", "bounce_commands.bounce", about_bounce)
        _add_accounts(words)
        _add_templates(words)

    def handle(self, *args: Any, **options: Any) -> None:
        arguments = Namespace(**options)
        try:
            with correlated(str(new_id())):
                import_string(arguments.run)(arguments, self.stdout)
        except CommandError:
            raise
        except Exception as error:
            if (refusal := _refusal(error)) is None:
                raise
            raise refusal from None


def _refusal(error: Exception) -> CommandError | None:
    """Convert a refusal of the API to an error of the command line; None for any other error."""
    from apps.common.rest.problems import Problem  # noqa: PLC0415 - loads the REST framework, 0.1 s.

    if not isinstance(error, Problem):
        return None
    lines = [str(error.detail)]
    lines += [f"{each.pointer}: {each.detail}" for each in error.errors]
    return CommandError("\n".join(lines))


def _add_notifications(words: Words) -> None:
    send = add_word(words, "send", "notification_commands.send", "Send a notification.")
    send.add_argument("--type", choices=["email", "push"], required=True)
    send.add_argument("--user", type=UUID, required=True)
    send.add_argument("--template", required=True)
    send.add_argument("--variables", type=json_object, default={})
    send.add_argument("--client", default=OPERATOR)
    send.add_argument("--request-id")
    send.add_argument("--priority", type=int, default=5)
    send.add_argument("--language")

    summary = "Show what a template would send."
    preview = add_word(words, "preview", "notification_commands.preview", summary)
    preview.add_argument("template")
    preview.add_argument("--variables", type=json_object, default={})
    preview.add_argument("--language")
    preview.add_argument("--version", dest="number", type=int)

    summary = "Send a notification that ended badly once more."
    replay = add_word(words, "replay", "notification_commands.replay", summary)
    replay.add_argument("notification", type=UUID)
    replay.add_argument(
        "--may-have-arrived",
        action="store_true",
        help="Also where the first copy may have arrived.",
    )


def _add_accounts(words: Words) -> None:
    summary = "Make an API key and print it, once."
    key = add_word(words, "create-api-key", "account_commands.create_api_key", summary)
    key.add_argument("--name", required=True)
    key.add_argument("--client")
    key.add_argument("--kind", choices=[kind.value for kind in Kind], default=Kind.LIVE.value)
    scopes = [scope.value for scope in Scope]
    key.add_argument("--scope", action="append", choices=scopes, dest="scopes")

    summary = "Remove the second factor of a person."
    lost = add_word(words, "reset-second-factor", "account_commands.reset_second_factor", summary)
    lost.add_argument("email")

    summary = "Make the demo's user, templates, staff and API key."
    add_word(words, "seed-demo", "account_commands.seed_demo", summary)


def _add_templates(words: Words) -> None:
    summary = "Take templates from a folder."
    taken = add_word(words, "import-templates", "template_commands.import_templates", summary)
    taken.add_argument("folder", type=Path, nargs="?")
    summary = "Write templates to a folder."
    given = add_word(words, "export-templates", "template_commands.export_templates", summary)
    given.add_argument("folder", type=Path)
