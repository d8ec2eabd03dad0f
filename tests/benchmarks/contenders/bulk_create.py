"""``bulk_create`` of the rows that a bulk call stores, in chunks of a thousand, and nothing else.

``python -m tests.benchmarks.contenders.bulk_create --rows 20000`` with ``DATABASE_URL`` prints the
seconds that the inserts took; the rows are built before.
"""

import argparse
import hashlib
import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

CHUNK = 1000


def rows_of(count: int) -> list[Any]:
    """Build rows as wide as those of the bulk row, with a request_id each."""
    from apps.common.ids import new_id  # noqa: PLC0415 - models need Django to be set up.
    from apps.notifications.models import Notification  # noqa: PLC0415 - as above.

    wake_at = datetime.now(UTC) + timedelta(days=1)
    run, user, version, batch = uuid4().hex[:8], new_id(), new_id(), new_id()
    return [
        Notification(
            client="shop",
            kind="live",
            request_id=f"bench-{run}-{number:07d}",
            body_digest=hashlib.sha256(str(number).encode()).digest(),
            batch_id=batch,
            correlation_id=run,
            channel="email",
            user_id=user,
            template_code="bench-mail",
            template_version=1,
            template_version_id=version,
            language="en",
            variables={"name": "Ada", "ref": f"bench-{run}-{number:07d}"},
            priority=1,
            status="pending",
            wake_at=wake_at,
        )
        for number in range(count)
    ]


def insert(rows: list[Any]) -> float:
    """Insert the rows and return the duration in seconds."""
    from django.db import connection  # noqa: PLC0415 - as above.

    connection.ensure_connection()
    began = time.monotonic()
    for start in range(0, len(rows), CHUNK):
        type(rows[0]).objects.bulk_create(rows[start : start + CHUNK])
    return time.monotonic() - began


def main() -> None:
    """Build the rows, insert them and print the duration."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, required=True)
    given = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "notifications_project.settings")
    import django  # noqa: PLC0415 - only this program sets Django up.

    django.setup()
    rows = rows_of(given.rows)
    sys.stdout.write(json.dumps({"rows": len(rows), "seconds": insert(rows)}) + "\n")


if __name__ == "__main__":
    main()
