"""The scheduler: sweeps what is due, makes batches, replays dead letters. Two are safe."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from apps.notifications.heartbeat import Heart
from apps.notifications.scheduler import schedule_until


class Command(BaseCommand):
    help = "Publish what is due and was never finished, until SIGINT or SIGTERM."

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        heart = Heart(role="scheduler")
        heart.start()
        schedule_until(stop)
        heart.stop()
