"""The Django application of the accounts."""

from django.apps import AppConfig


class UsersConfig(AppConfig):
    """Registers the models under the label ``users``."""

    name = "apps.users"
    label = "users"
    verbose_name = "Users and API keys"
