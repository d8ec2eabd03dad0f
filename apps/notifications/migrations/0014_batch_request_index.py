"""An index for the search of staff for a batch, built while old processes read and write."""

from typing import ClassVar

from django.db import migrations, models

from apps.common.postgresql.concurrent_indexes import AddIndex


class Migration(migrations.Migration):
    atomic = False

    dependencies: ClassVar = [("notifications", "0013_indexes")]

    operations: ClassVar = [
        AddIndex(
            model_name="batch",
            index=models.Index(
                condition=models.Q(request_id__isnull=False),
                fields=["request_id"],
                name="batch_request_key",
            ),
        ),
    ]
