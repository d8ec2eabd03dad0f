"""The port to the audit trail, for acts through the API. The desk, which keeps it, is above."""

from django.conf import settings
from django.utils.module_loading import import_string


def record(*, actor: str, action: str, object_type: str, object_id: str, detail: str) -> None:
    """Add one act to the trail, in the caller's transaction.

    Args:
        actor: ``staff:<user id>``, or the name of a client.
        action: One of ``apps.desk.audit.ACTIONS``.
        object_type: What it was done to, such as ``suppression``.
        object_id: The id of it.
        detail: What a reader needs besides, without personal data.
    """
    import_string(settings.AUDIT_TRAIL)(
        actor=actor, action=action, object_type=object_type, object_id=object_id, detail=detail
    )
