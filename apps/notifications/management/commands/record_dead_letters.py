"""The dead-letter recorder: writes down what came through the dead-letter exchange."""

import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.notifications.dead_letter_recorder import Recorder, broker_connection
from apps.notifications.heartbeat import Heart
from apps.notifications.queues import FAILED


class Command(BaseCommand):
    help = "Record the messages of the queue `failed`, until SIGINT or SIGTERM."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.EMBEDDED:
            raise CommandError("Without BROKER_URL dead letters are recorded where they arise.")
        with broker_connection() as connection:
            recorder = Recorder(connection)

            def stop(*_: Any) -> None:
                recorder.should_stop = True

            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, stop)
            heart = Heart(role="dead-letter-recorder", queues=[FAILED.name])
            heart.start()
            recorder.run()
            heart.stop()
