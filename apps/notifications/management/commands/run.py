"""The command of the embedded mode: migrate, create the demo, print the URLs and serve."""

import os
import socket
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error, connection, transaction
from django.db.migrations.recorder import MigrationRecorder

from apps.common.serving import serve
from apps.notifications.embedded import demo
from apps.notifications.management import first_steps

ADDRESS = "127.0.0.1"
# Part of SQLite's error message for a file that is not a database.
NOT_OURS = "not a database"
OTHER_WAY_OUT = "Can it be read and written there, and has the disk room?"
WAY_OUT = "Move it away to begin with an empty one."


class Command(BaseCommand):
    help = "Run everything in one process on SQLite, with a demo; for trying and developing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *args: Any, **options: Any) -> None:
        port: int = options["port"]
        if not settings.EMBEDDED:
            raise CommandError("BROKER_URL is set: this is not the embedded mode; use make stack.")
        self._check_port(port)
        self._let_links_lead_here(port)
        made = self._prepared()
        self._print(made, f"http://{ADDRESS}:{port}")
        # There must be exactly one process, because the workers share memory with the broker.
        serve("notifications_project.server:server", host=ADDRESS, port=port, processes=1)

    def _let_links_lead_here(self, port: int) -> None:
        """Let links in mails lead to this server, unless ``PUBLIC_URL`` says otherwise."""
        if not os.environ.get("PUBLIC_URL"):
            settings.PUBLIC_URL = f"http://{ADDRESS}:{port}"
            settings.CSRF_TRUSTED_ORIGINS = [settings.PUBLIC_URL]
            # For processes that this one starts.
            os.environ["PUBLIC_URL"] = settings.PUBLIC_URL

    def _prepared(self) -> demo.Demo:
        """Migrate the database and create the demo.

        Raises:
            CommandError: The database cannot be used; the message is one line with the cause.
        """
        place = connection.settings_dict["NAME"]
        try:
            self._check_database(place)
            call_command("migrate", verbosity=0)
            return demo.seed()
        except Error as error:
            way_out = WAY_OUT if NOT_OURS in str(error) else OTHER_WAY_OUT
            message = f"The database {place} cannot be used: {error}. {way_out}"
            raise CommandError(message) from error
        except OSError as error:
            message = f"{error.filename or place} cannot be used: {error.strerror}."
            raise CommandError(message) from error

    def _check_database(self, place: str) -> None:
        """Refuse a database file of another program before tables are created in it.

        Raises:
            CommandError: The file belongs to another program.
            django.db.Error: It cannot be read or written.
        """
        # On SQLite a transaction takes the write lock at its start, so it checks the permission.
        with transaction.atomic():
            tables = connection.introspection.table_names()
        if not tables:
            return
        known = {config.label for config in apps.get_app_configs()}
        applied = {app for app, _ in MigrationRecorder(connection).applied_migrations()}
        if not applied or not applied <= known:
            message = f"The database {place} belongs to another program. {WAY_OUT}"
            raise CommandError(message)

    def _check_port(self, port: int) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((ADDRESS, port))
            except OSError as error:
                message = f"Port {port} is not free ({error.strerror}); try make run PORT=8001."
                raise CommandError(message) from None

    def _print(self, made: demo.Demo, base: str) -> None:
        self.stdout.write(f"{first_steps.text(made, base)} Ctrl-C stops everything.\n")
        self.stdout.flush()
