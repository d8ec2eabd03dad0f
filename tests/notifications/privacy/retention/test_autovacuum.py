"""The tables that grow and shrink are vacuumed early."""

import pytest
from django.db import connection

pytestmark = pytest.mark.django_db


@pytest.mark.services
def test_busy_tables_have_a_lower_autovacuum_threshold() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT reloptions FROM pg_class WHERE relname = 'notifications_notification'"
        )
        (options,) = cursor.fetchone()
    assert "autovacuum_vacuum_scale_factor=0.02" in options
