"""The scheduler: sweep due rows, create batches, replay dead letters. Several may run."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from apps.common import garbage
from apps.notifications.operations.checks import ENVIRONMENT
from apps.notifications.operations.heartbeat import HeartbeatThread
from apps.notifications.scheduler.loop import schedule_until


class Command(BaseCommand):
    help = "Publish what is due and was never finished, until SIGINT or SIGTERM."
    requires_system_checks = ENVIRONMENT

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        heartbeat = HeartbeatThread(role="scheduler")
        heartbeat.start()
        garbage.settle()
        schedule_until(stop)
        heartbeat.stop()
