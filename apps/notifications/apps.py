"""The Django application of the pipeline."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class NotificationsConfig(AppConfig):
    """Registers the app, and the staff groups, which have permissions of all apps."""

    name = "apps.notifications"
    label = "notifications"

    def ready(self) -> None:
        """Register the checks, the account ports and the creation of the staff groups.

        The groups are created when this app, the last one, is migrated.
        """
        from apps.notifications.intake import account_mails  # noqa: PLC0415 - models first.
        from apps.notifications.operations import (  # noqa: PLC0415 - importing registers them.
            checks,  # noqa: F401
            connection_checks,  # noqa: F401
        )
        from apps.notifications.operations.roles import seed_roles  # noqa: PLC0415 - as above.
        from apps.notifications.privacy.erase_notifications import erase_notifications  # noqa: PLC0415 - as above.
        from apps.users import contacts  # noqa: PLC0415 - as above.

        contacts.send_account_mails_by(account_mails.Mailer())
        contacts.also_erase(erase_notifications)
        post_migrate.connect(seed_roles, sender=self, dispatch_uid="notifications.seed_roles")
