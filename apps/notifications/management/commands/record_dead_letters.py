"""The dead-letter recorder: stores the messages of the dead-letter queue."""

import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.notifications.broker.topology import FAILED
from apps.notifications.dead_letters.consumer import Recorder, broker_connection
from apps.notifications.operations.checks import ENVIRONMENT
from apps.notifications.operations.heartbeat import HeartbeatThread


class Command(BaseCommand):
    help = "Record the messages of the queue `failed`, until SIGINT or SIGTERM."
    requires_system_checks = ENVIRONMENT

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.EMBEDDED:
            raise CommandError("Without BROKER_URL dead letters are recorded where they arise.")
        with broker_connection() as connection:
            recorder = Recorder(connection)

            def stop(*_: Any) -> None:
                recorder.stop()

            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, stop)
            heartbeat = HeartbeatThread(role="dead-letter-recorder", queues=[FAILED.name])
            heartbeat.start()
            try:
                recorder.run()
            finally:
                heartbeat.stop()
