import apps.notifications.models.digest
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('notifications', '0010_own_recipients'),
    ]

    operations = [
        migrations.AddField(
            model_name='batch',
            name='canonical_digest',
            field=apps.notifications.models.digest.OptionalDigestField(null=True),
        ),
        migrations.AddField(
            model_name='batch',
            name='digest_form',
            field=models.PositiveSmallIntegerField(null=True),
        ),
        migrations.AddField(
            model_name='notification',
            name='canonical_digest',
            field=apps.notifications.models.digest.OptionalDigestField(null=True),
        ),
        migrations.AddField(
            model_name='notification',
            name='digest_form',
            field=models.PositiveSmallIntegerField(null=True),
        ),
    ]
