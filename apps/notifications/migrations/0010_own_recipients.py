from django.db import migrations, models


# Releases before this column claim rows by ids of version 7, and know no text for these. Checked for
# what is written from now on (NOT VALID): nothing is read through, and no row has a recipient yet.
# SQLite has one process, so nobody is older there.
HEEDED = """
    ALTER TABLE notifications_notification ADD CONSTRAINT notification_recipient_heeded CHECK (
        recipient IS NULL OR status <> 'sending' OR substr(claim_id::text, 15, 1) = '8'
    ) NOT VALID
"""
NOT_HEEDED = """
    ALTER TABLE notifications_notification DROP CONSTRAINT notification_recipient_heeded
"""


def only_who_heeds_it(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(HEEDED)


def anybody(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(NOT_HEEDED)


class Migration(migrations.Migration):

    dependencies = [
        ('notifications', '0009_attempts_address_hash'),
    ]

    operations = [
        migrations.AddField(
            model_name='notification',
            name='recipient',
            field=models.CharField(max_length=320, null=True),
        ),
        migrations.RunPython(only_who_heeds_it, anybody, elidable=False),
    ]
