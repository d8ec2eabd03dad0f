"""The Django application of the accounts."""

from importlib import import_module

from django.apps import AppConfig


class UsersConfig(AppConfig):
    """Registers the models under the label ``users``."""

    name = "apps.users"
    label = "users"
    verbose_name = "Users and API keys"

    def ready(self) -> None:
        """Register the OpenAPI descriptions of the credentials."""
        import_module("apps.users.openapi")
