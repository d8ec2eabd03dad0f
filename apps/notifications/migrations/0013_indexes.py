"""Indexes for lists and searches, built while old processes read and write.

The new unique index is complete before the old constraint is dropped, so that no key is ever stored
twice. The old index had an entry for each row without a key; the new one has none.
"""

from typing import ClassVar

from django.db import migrations, models
from django.db.models import Q

from apps.common.postgresql.concurrent_indexes import (
    AddIndex,
    AddUniqueIndex,
    RemoveConstraint,
    RemoveIndex,
)

RARE = ("bounced", "cancelled", "expired", "failed", "retrying", "scheduled", "skipped")


class Migration(migrations.Migration):
    atomic = False

    dependencies: ClassVar = [("notifications", "0012_statistics")]

    operations: ClassVar = [
        AddUniqueIndex(
            model_name="notification",
            constraint=models.UniqueConstraint(
                condition=Q(request_id__isnull=False),
                fields=("request_id", "client", "kind"),
                name="notification_request_key",
            ),
        ),
        RemoveConstraint(model_name="notification", name="notification_idempotency_key"),
        AddIndex(
            model_name="notification",
            index=models.Index(
                condition=Q(batch_id__isnull=False),
                fields=["batch_id", "-id"],
                name="notification_batch_newest",
            ),
        ),
        RemoveIndex(model_name="notification", name="notification_batch"),
        AddIndex(
            model_name="notification",
            index=models.Index(
                fields=["correlation_id", "-id"], name="notification_trace_newest"
            ),
        ),
        RemoveIndex(model_name="notification", name="notification_correlation"),
        AddIndex(
            model_name="notification",
            index=models.Index(
                condition=Q(status__in=RARE), fields=["status", "-id"], name="notification_rare_newest"
            ),
        ),
        AddIndex(
            model_name="attempt",
            index=models.Index(
                condition=~Q(provider_message_id=""),
                fields=["provider_message_id"],
                name="attempt_provider_message",
            ),
        ),
    ]
