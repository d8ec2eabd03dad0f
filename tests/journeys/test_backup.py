"""The blocks of ``docs/backup.md``, on a database with users, templates and notifications."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.documents.blocks import ROOT, blocks_of
from tests.documents.transcript import Transcript
from tests.journeys.http import until
from tests.journeys.installation import Installation
from tests.journeys.processes import BIN

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]

DOCUMENT = "docs/backup.md"
# What the running processes go on writing.
CHANGING = {"notifications_heartbeat", "notifications_statisticsdelta"}
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
DIGEST = (
    "SELECT count(*), md5(coalesce(string_agg(row::text, '|' ORDER BY row::text), '')) FROM {} row"
)


def contents(url: str) -> dict[str, tuple[int, str]]:
    """Return the number of rows and a digest of each table."""
    with psycopg.connect(url) as database:
        tables = [name for (name,) in database.execute(TABLES).fetchall()]
        found = {}
        for table in set(tables) - CHANGING:
            row = database.execute(DIGEST.format(table)).fetchone()
            assert row is not None
            found[table] = row
        return found


@pytest.fixture
def restored(installation: Installation) -> Iterator[str]:
    """The name of the database into which the backup goes, and from which it is removed."""
    name = f"restored_{installation.database}"
    yield name
    with psycopg.connect(installation.database_url, autocommit=True) as database:
        database.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def test_a_restored_database_is_the_one_that_was_backed_up(
    installation: Installation, restored: str, tmp_path: Path
) -> None:
    api = installation.api(client="backup")
    user = api.made("/api/v1/users/", {"name": "Ada", "email": "ada.backup@example.com"})
    api.made(
        "/api/v1/templates/",
        {
            "code": "backup",
            "notification_type": "email",
            "name": "Backup",
            "subject": "One",
            "body": "Two",
        },
    )
    asked = {"notification_type": "email", "user_id": user["id"], "template_code": "backup"}
    sent = [api.made("/api/v1/notifications/", asked)["id"] for _ in range(5)]
    later = api.made("/api/v1/notifications/", {**asked, "scheduled_for": "2027-06-01T00:00:00Z"})
    until(
        lambda: {api.ended(one)["status"] for one in sent} == {"sent"},
        within=30,
        what="the mails of the backup",
    )
    for name in ("manage.py", ".venv"):
        (tmp_path / name).symlink_to(BIN.parent if name == ".venv" else ROOT / name)
    transcript = Transcript(
        tmp_path,
        given={},
        replaced={" restored": f" {restored}", "/restored": f"/{restored}"},
        exported=installation.env,
    )
    before = contents(installation.database_url)

    for block in blocks_of(DOCUMENT):
        for step in block.steps:
            transcript.run(step)

    copy = urlsplit(installation.database_url)._replace(path=f"/{restored}").geturl()
    assert contents(copy) == before
    assert before["notifications_notification"][0] >= len(sent) + 1
    with psycopg.connect(copy) as database:
        waiting = database.execute(
            "SELECT status FROM notifications_notification WHERE id = %s", [later["id"]]
        ).fetchone()
    assert waiting == ("scheduled",)
