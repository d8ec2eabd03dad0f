"""The Django application of the pipeline."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class NotificationsConfig(AppConfig):
    """Registers the app, its checks, and the staff groups, which have permissions of all apps."""

    name = "apps.notifications"
    label = "notifications"

    def ready(self) -> None:
        """Register the checks and the creation of the staff groups.

        The groups are created when this app, the last one, is migrated.
        """
        from apps.notifications.operations import (  # noqa: PLC0415 - importing registers them.
            checks,  # noqa: F401
            connection_checks,  # noqa: F401
        )
        from apps.notifications.operations.roles import seed_roles  # noqa: PLC0415 - models first.

        post_migrate.connect(seed_roles, sender=self, dispatch_uid="notifications.seed_roles")
