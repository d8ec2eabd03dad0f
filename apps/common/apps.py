"""The Django application of the shared parts."""

from django.apps import AppConfig


class CommonConfig(AppConfig):
    """Registers the app; it has no models of its own."""

    name = "apps.common"
