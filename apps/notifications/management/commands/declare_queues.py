"""Declare all exchanges and queues on the broker, as a step of a deployment."""

from typing import Any

from celery import current_app
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.notifications.broker import topology
from apps.notifications.broker.publisher import PUBLISH_ERRORS
from apps.notifications.operations.checks import ENVIRONMENT


class Command(BaseCommand):
    help = "Declare every exchange and queue; harmless when they exist."
    requires_system_checks = ENVIRONMENT

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.EMBEDDED:
            raise CommandError("Without BROKER_URL there is nothing to declare.")
        try:
            with current_app.connection_for_write() as connection:
                topology.declare_all(connection)
        except topology.NameTakenError as error:
            raise CommandError(str(error)) from None
        except PUBLISH_ERRORS as error:
            message = f"The broker refused: {type(error).__name__}: {error}"
            raise CommandError(message) from None
