"""Delete old deliveries, what remains of deleted endpoints, and what is about erased users."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from apps.common.ids import first_id_at
from apps.common.postgresql.one_of import OneOf
from apps.webhooks import signing
from apps.webhooks.models import Delivery, Endpoint

STEP_ROWS = 1000
# Processes that have not read yet that an endpoint is gone may still store deliveries for it.
DELETED_GRACE = timedelta(minutes=5)


def erase_user(user_id: UUID) -> None:
    """Delete the deliveries that are about a user, also those that have not been made yet."""
    Delivery.objects.filter(user_id=user_id).delete()


def purge_step(limit: Callable[[str], datetime]) -> int:
    """Delete old deliveries of each endpoint: up to ``STEP_ROWS`` of each.

    Args:
        limit: Returns the time before which a client's rows are old, as for its notifications.

    Returns:
        The number of deleted rows.
    """
    gone = 0
    for pk, client, deleted_at in Endpoint.objects.values_list("pk", "client", "deleted_at"):
        rows = Delivery.objects.filter(endpoint_id=pk)
        if deleted_at is None:
            rows = rows.filter(pk__lt=first_id_at(limit(client)), wake_at=None)
        old = list(rows.order_by("pk").values_list("pk", flat=True)[:STEP_ROWS])
        if old:
            doomed = Delivery.objects.filter(OneOf("pk", old))
            gone += doomed._raw_delete(doomed.db)  # noqa: SLF001 - nothing refers to these rows.
        elif deleted_at is not None and deleted_at < timezone.now() - DELETED_GRACE:
            Endpoint.objects.filter(pk=pk).delete()
    return gone


def renew_encryption() -> int:
    """Encrypt secrets anew that were encrypted under an older ``SECRET_KEY``.

    After one pass the older key may be taken out of ``SECRET_KEY_FALLBACKS``.

    Returns:
        The number of endpoints whose secrets were encrypted anew.
    """
    renewed = 0
    for endpoint in Endpoint.objects.filter(deleted_at=None):
        changed: dict[str, str] = {}
        for name in ("secret", "previous_secret"):
            stored = getattr(endpoint, name)
            try:
                newer = signing.reencrypted(stored) if stored else None
            except signing.UnreadableSecretError:
                continue  # Each call says so.
            if newer is not None:
                changed[name] = newer
        if changed:
            # A rotation at the same moment has stored a newer one.
            same = {name: getattr(endpoint, name) for name in changed}
            renewed += Endpoint.objects.filter(pk=endpoint.pk, **same).update(**changed)
    return renewed
