# ruff: noqa: E402 - the imports after the settings need configured settings.
"""A bare Django view that inserts one row of comparable width, and nothing else.

Served as ``granian … tests.benchmarks.contenders.bare_django:application`` with the same number of
processes and threads as our own stack: a fast WSGI server, whose threads wait for bodies.
``python -m tests.benchmarks.contenders.bare_django`` creates its table.
"""

import json
import os

import dj_database_url
from django.conf import settings

if not settings.configured:
    settings.configure(
        SECRET_KEY="bare",
        ALLOWED_HOSTS=["*"],
        USE_TZ=True,
        USE_I18N=False,
        ROOT_URLCONF=__name__,
        MIDDLEWARE=[],
        # Connections are persistent, one per thread.
        DATABASES={
            "default": {
                **dj_database_url.parse(os.environ["CONTENDER_DATABASE_URL"]),
                "CONN_MAX_AGE": None,
            }
        },
    )

import django

django.setup()

from django.core.wsgi import get_wsgi_application
from django.db import connection, models
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.utils import timezone
from uuid_utils.compat import uuid7


class Accepted(models.Model):
    """A row as wide as one of our notifications; the primary key is its only index."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    client = models.CharField(max_length=150)
    kind = models.CharField(max_length=4)
    request_id = models.CharField(max_length=255, null=True)
    body_digest = models.CharField(max_length=64)
    batch_id = models.UUIDField(null=True)
    correlation_id = models.CharField(max_length=128)
    channel = models.CharField(max_length=5)
    user_id = models.UUIDField()
    template_code = models.CharField(max_length=100)
    template_version = models.PositiveIntegerField()
    template_version_id = models.UUIDField()
    language = models.CharField(max_length=35)
    variables = models.JSONField(default=dict)
    metadata = models.JSONField(default=dict)
    priority = models.PositiveSmallIntegerField()
    status = models.CharField(max_length=9)
    attempts = models.PositiveSmallIntegerField(default=0)
    scheduled_for = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    next_attempt_at = models.DateTimeField(null=True)
    wake_at = models.DateTimeField(null=True)
    claimed_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        app_label = "contenders"
        db_table = "bare_accepted"

    def __str__(self) -> str:
        return str(self.pk)


def accept(request: HttpRequest) -> JsonResponse:
    """Insert one row and answer."""
    body = json.loads(request.body)
    row = Accepted(
        client="shop",
        kind="live",
        body_digest="0" * 64,
        correlation_id="0" * 32,
        channel=body["notification_type"],
        user_id=body["user_id"],
        template_code=body["template_code"],
        template_version=1,
        template_version_id=body["user_id"],
        language="en",
        variables=body["variables"],
        priority=5,
        status="pending",
        wake_at=timezone.now(),
    )
    row.save(force_insert=True)
    return JsonResponse({"id": str(row.pk), "status": row.status}, status=202)


urlpatterns = [path("accept", accept)]
application = get_wsgi_application()


def main() -> None:
    """Create the table."""
    with connection.schema_editor() as editor:
        editor.create_model(Accepted)


if __name__ == "__main__":
    main()
