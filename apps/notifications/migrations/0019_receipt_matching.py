"""What a report names, and the address that it concerns.

PostgreSQL adds such columns without rewriting the table. Processes of the old release can still
insert.
"""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("notifications", "0018_counting")]

    operations: ClassVar = [
        migrations.AddField(
            model_name="receipt", name="named_id", field=models.UUIDField(null=True)
        ),
        migrations.AddField(
            model_name="receipt",
            name="reason",
            field=models.CharField(blank=True, db_default="", default="", max_length=40),
        ),
        migrations.AddField(
            model_name="receipt",
            name="address_hash",
            field=models.CharField(max_length=64, null=True),
        ),
    ]
