"""The operator's command line: ``manage.py notify send|preview|replay|doctor|…``."""

import json
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.common.callers import Caller, Kind, Scope
from apps.common.health import Health, overall
from apps.common.ids import new_id
from apps.common.middleware.correlation import correlated
from apps.common.rest.problems import Problem
from apps.notifications.api.health import READY_PROBES
from apps.notifications.dead_letters import resend
from apps.notifications.embedded import demo
from apps.notifications.intake import accept, requests
from apps.notifications.management.dead_letter_commands import DeadLetterCommands
from apps.notifications.models import Notification
from apps.templates import catalog, rendering
from apps.users import api_keys
from apps.users.addresses import address_key
from apps.users.models import User
from apps.users.staff import second_factor

OPERATOR = "operator"


def json_object(text: str) -> dict[str, Any]:
    """Parse a JSON object given as an argument."""
    try:
        value = json.loads(text)
    except ValueError as error:
        message = f"not JSON: {error}"
        raise ArgumentTypeError(message) from None
    if not isinstance(value, dict):
        raise ArgumentTypeError("expected a JSON object")
    return value


class Command(BaseCommand):
    help = (
        "Send, preview and replay notifications; look after keys, templates and the installation."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        words = parser.add_subparsers(dest="word", required=True, metavar="command")

        def word(name: str, run: Callable[[Namespace], None], summary: str) -> CommandParser:
            added: CommandParser = words.add_parser(name, help=summary, description=summary)
            added.set_defaults(run=run)
            return added

        send = word("send", self.send, "Send a notification.")
        send.add_argument("--type", choices=["email", "push"], required=True)
        send.add_argument("--user", type=UUID, required=True)
        send.add_argument("--template", required=True)
        send.add_argument("--variables", type=json_object, default={})
        send.add_argument("--client", default=OPERATOR)
        send.add_argument("--request-id")
        send.add_argument("--priority", type=int, default=5)
        send.add_argument("--language")

        preview = word("preview", self.preview, "Show what a template would send.")
        preview.add_argument("template")
        preview.add_argument("--variables", type=json_object, default={})
        preview.add_argument("--language")
        preview.add_argument("--version", dest="number", type=int)

        replay = word("replay", self.replay, "Send a notification that ended badly once more.")
        replay.add_argument("notification", type=UUID)
        replay.add_argument(
            "--may-have-arrived",
            action="store_true",
            help="Also where the first copy may have arrived.",
        )

        about_letters = "Look through dead letters, replay and discard them."
        letters = words.add_parser("dead-letters", help=about_letters, description=about_letters)
        DeadLetterCommands(command=self, by=OPERATOR).add_to(letters)

        word("doctor", self.doctor, "Check what the installation depends on.")

        key = word("create-api-key", self.create_api_key, "Make an API key and print it, once.")
        key.add_argument("--name", required=True)
        key.add_argument("--client")
        key.add_argument("--kind", choices=[kind.value for kind in Kind], default=Kind.LIVE.value)
        key.add_argument(
            "--scope", action="append", choices=[scope.value for scope in Scope], dest="scopes"
        )

        lost = word(
            "reset-second-factor", self.reset_second_factor, "Remove the second factor of a person."
        )
        lost.add_argument("email")

        word("seed-demo", self.seed_demo, "Make the demo's user, templates, staff and API key.")

        taken = word("import-templates", self.import_templates, "Take templates from a folder.")
        taken.add_argument("folder", type=Path, nargs="?", default=demo.TEMPLATES_DIR)
        given = word("export-templates", self.export_templates, "Write templates to a folder.")
        given.add_argument("folder", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        arguments = Namespace(**options)
        try:
            with correlated(str(new_id())):
                arguments.run(arguments)
        except Problem as problem:
            lines = [str(problem.detail)]
            lines += [f"{error.pointer}: {error.detail}" for error in problem.errors]
            raise CommandError("\n".join(lines)) from None

    def send(self, arguments: Namespace) -> None:
        """Accept a notification like the API."""
        given = {
            "notification_type": arguments.type,
            "user_id": str(arguments.user),
            "template_code": arguments.template,
            "variables": arguments.variables,
            "request_id": arguments.request_id,
            "priority": arguments.priority,
            "language": arguments.language,
        }
        try:
            asked = msgspec.convert(given, requests.SendRequest)
        except msgspec.ValidationError as error:
            raise requests.as_problem(error) from None
        accepted = accept.accept(asked, caller=Caller(client=arguments.client))
        self.stdout.write(str(accepted.notification.pk))

    def preview(self, arguments: Namespace) -> None:
        """Render a template with the same code as for sending."""
        try:
            shown = rendering.preview(
                arguments.template,
                variables=arguments.variables,
                language=arguments.language,
                version=arguments.number,
            )
        except rendering.UnknownTemplate:
            raise CommandError("There is no such template.") from None
        except rendering.UnknownVersion:
            raise CommandError("There is no such version.") from None
        except rendering.RenderError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(json.dumps(asdict(shown), indent=2, ensure_ascii=False, default=str))

    def replay(self, arguments: Namespace) -> None:
        """Replay a notification as a new one."""
        original = Notification.objects.filter(pk=arguments.notification).first()
        if original is None:
            raise CommandError("There is no such notification.")
        done = resend.replay(
            original,
            caller=Caller(client=OPERATOR),
            may_have_arrived=arguments.may_have_arrived,
        )
        self.stdout.write(str(done.notification.pk))

    def doctor(self, arguments: Namespace) -> None:
        """Run all probes, and fail if one reports a problem."""
        rows = [probe.run() for probe in READY_PROBES]
        for row in rows:
            self.stdout.write(
                f"{row.status:<12} {row.name:<12} {row.latency_ms:>8.1f} ms  {row.detail}"
            )
        if overall(rows) is not Health.OK:
            raise CommandError("Something is not as it should be.")

    def create_api_key(self, arguments: Namespace) -> None:
        """Create an API key. The last printed line is its plain text, which is not stored."""
        scopes = [Scope(scope) for scope in arguments.scopes] if arguments.scopes else list(Scope)
        try:
            row, plain = api_keys.create(
                name=arguments.name,
                client=arguments.client,
                kind=Kind(arguments.kind),
                scopes=scopes,
            )
        except ValueError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"client {row.client}, {row.kind}, {', '.join(row.scopes)}")
        self.stdout.write(plain)

    def reset_second_factor(self, arguments: Namespace) -> None:
        """Remove the second factor of a user who has lost the app and the recovery codes."""
        user = User.objects.filter(email_key=address_key(arguments.email)).first()
        if user is None or not second_factor.forget(user):
            raise CommandError("Nobody with this address has a second factor.")
        self.stdout.write(f"user {user.pk} has no second factor any more")

    def seed_demo(self, arguments: Namespace) -> None:
        """Create the missing parts of the demo."""
        made = demo.seed()
        self.stdout.write(f"user {made.user.pk} ({made.user.email})")
        self.stdout.write(f"staff {made.staff.email}; secrets are in {settings.DEMO_ENV_FILE}")

    def import_templates(self, arguments: Namespace) -> None:
        """Import changed templates. Unchanged content creates no new version."""
        try:
            imported = catalog.import_templates(arguments.folder)
        except catalog.CatalogError as error:
            raise CommandError(str(error)) from None
        for line in imported:
            self.stdout.write(str(line))

    def export_templates(self, arguments: Namespace) -> None:
        """Export the published versions."""
        catalog.export_templates(arguments.folder)
