"""How far the audience of a broadcast has been counted."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("notifications", "0017_rejected_rows")]

    operations: ClassVar = [
        migrations.AddField(
            model_name="batch",
            name="counting",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="batch", name="counted_to_user_id", field=models.UUIDField(null=True)
        ),
    ]
