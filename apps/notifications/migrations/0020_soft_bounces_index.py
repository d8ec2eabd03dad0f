"""The index that counts the mails to one address that came back, built while others write."""

from typing import ClassVar

from django.db import migrations, models

from apps.common.postgresql.concurrent_indexes import AddIndex


class Migration(migrations.Migration):
    atomic = False

    dependencies: ClassVar = [("notifications", "0019_receipt_matching")]

    operations: ClassVar = [
        AddIndex(
            model_name="receipt",
            index=models.Index(
                condition=models.Q(event="soft_bounced"),
                fields=["address_hash", "occurred_at"],
                name="receipt_soft_bounces",
            ),
        ),
    ]
