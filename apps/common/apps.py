"""The Django application of the shared parts."""

from django.apps import AppConfig
from django.core.cache import close_caches
from django.core.signals import request_finished
from django.db import close_old_connections


class CommonConfig(AppConfig):
    """Registers the app; it has no models of its own."""

    name = "apps.common"

    def ready(self) -> None:
        """Leave out what Django does at the end of each request.

        Connections to database and Redis are kept for good, so there is nothing to close; one that
        broke is replaced at the start of the next request. Looking at all of them again was a
        twentieth of a request.
        """
        request_finished.disconnect(close_old_connections)
        request_finished.disconnect(close_caches)
