"""The configuration of the desk."""

from django.apps import AppConfig
from django.db.models.signals import post_save


class DeskConfig(AppConfig):
    """The desk."""

    name = "apps.desk"
    label = "desk"

    def ready(self) -> None:
        """Copy what Django's admin logs, and who reads the sandbox, to the audit trail."""
        # Models can be imported from now on.
        from django.contrib.admin.models import LogEntry, LogEntryManager  # noqa: PLC0415 - as above.

        from apps.desk import audit  # noqa: PLC0415 - as above.
        from apps.notifications.embedded import sandbox_signals  # noqa: PLC0415 - as above.

        sandbox_signals.content_shown.connect(audit.record_sandbox, dispatch_uid="desk.audit")
        sandbox_signals.subjects_shown.connect(audit.record_sandbox_list, dispatch_uid="desk.audit")
        post_save.connect(audit.copy, sender=LogEntry, dispatch_uid="desk.audit")
        LogEntryManager.bulk_create = audit.copying(  # type: ignore[method-assign] # As said there.
            LogEntryManager.bulk_create
        )
