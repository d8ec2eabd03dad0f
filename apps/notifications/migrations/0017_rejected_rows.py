"""The rows of uploads that were rejected; their indexes are built while old processes write."""

from typing import ClassVar

from django.db import migrations, models
from django.db.models import Q

from apps.common.postgresql.concurrent_indexes import AddIndex


class Migration(migrations.Migration):
    atomic = False

    dependencies: ClassVar = [("notifications", "0016_lines")]

    operations: ClassVar = [
        migrations.AddField(
            model_name="batch", name="table", field=models.JSONField(null=True)
        ),
        migrations.AddField(
            model_name="batcherror", name="row", field=models.BinaryField(null=True)
        ),
        migrations.AddField(
            model_name="batcherror", name="user_id", field=models.UUIDField(null=True)
        ),
        migrations.AddField(
            model_name="batcherror", name="kept_at", field=models.DateTimeField(null=True)
        ),
        AddIndex(
            model_name="batcherror",
            index=models.Index(
                condition=Q(user_id__isnull=False), fields=["user_id"], name="batch_error_user"
            ),
        ),
        AddIndex(
            model_name="batcherror",
            index=models.Index(
                condition=Q(kept_at__isnull=False), fields=["kept_at"], name="batch_error_kept"
            ),
        ),
    ]
