"""Indexes for the searches and lists of staff, built while old processes read and write."""

from typing import ClassVar

from django.db import migrations, models
from django.db.models.functions import Lower

from apps.common.postgresql.bytewise import Bytewise
from apps.common.postgresql.concurrent_indexes import AddIndex


class Migration(migrations.Migration):
    atomic = False

    dependencies: ClassVar = [("users", "0002_unconfirmed_accounts")]

    operations: ClassVar = [
        AddIndex(
            model_name="externalid",
            index=models.Index(fields=["value"], name="users_externalid_any_client"),
        ),
        AddIndex(
            model_name="user",
            index=models.Index(Bytewise(Lower("name")), name="users_user_name_prefix"),
        ),
        AddIndex(
            model_name="user",
            index=models.Index(Bytewise("email_key"), name="users_user_address_prefix"),
        ),
        AddIndex(
            model_name="user",
            index=models.Index(
                condition=models.Q(is_staff=True), fields=["-id"], name="users_user_staff"
            ),
        ),
        AddIndex(
            model_name="user",
            index=models.Index(
                condition=models.Q(is_superuser=True), fields=["-id"], name="users_user_superuser"
            ),
        ),
    ]
