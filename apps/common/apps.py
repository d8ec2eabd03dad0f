"""The Django application of the shared code."""

from django.apps import AppConfig
from django.core.cache import close_caches
from django.core.signals import request_finished
from django.db import close_old_connections


class CommonConfig(AppConfig):
    """Registers the app; it has no models of its own."""

    name = "apps.common"

    def ready(self) -> None:
        """Disconnect the clean-up handlers that Django runs at the end of each request.

        Connections to the database and to Redis are kept open, so there is nothing to close. A
        broken connection is replaced at the start of the next request. Checking all of them again
        took a twentieth of the time of a request.
        """
        request_finished.disconnect(close_old_connections)
        request_finished.disconnect(close_caches)
