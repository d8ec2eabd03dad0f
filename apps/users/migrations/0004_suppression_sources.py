"""Who put an address on the suppression list, a note about it, and when that ends.

PostgreSQL adds such columns without rewriting the table. The defaults are the database's, so that
processes of the old release can still insert.
"""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("users", "0003_search_indexes")]

    operations: ClassVar = [
        migrations.AddField(
            model_name="suppression",
            name="source",
            field=models.CharField(
                blank=True, db_default="", default="", editable=False, max_length=150
            ),
        ),
        migrations.AddField(
            model_name="suppression",
            name="note",
            field=models.CharField(blank=True, db_default="", default="", max_length=500),
        ),
        migrations.AddField(
            model_name="suppression",
            name="expires_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
