from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('notifications', '0015_reply_to'),
    ]

    operations = [
        migrations.AddField(
            model_name='batcherror',
            name='line',
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AddField(
            model_name='batchslice',
            name='lines',
            field=models.JSONField(null=True),
        ),
    ]
