"""A step of the retention reads indexes of a table of 300,000 rows, by the plans of PostgreSQL."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from apps.common.ids import first_id_at
from apps.notifications.models import RetentionRule
from apps.notifications.privacy.retention import rules
from apps.notifications.privacy.retention.purge import BEGINNING, STEP_ROWS, Position, step
from tests.large_tables import ATTEMPTS, NOTIFICATIONS, check, plans, rows_read

pytestmark = [
    pytest.mark.services,
    pytest.mark.django_db,
    # Before the transaction of a test begins.
    pytest.mark.usefixtures("large_tables"),
]
TABLES = (NOTIFICATIONS, ATTEMPTS)
# The first row; there is one for each second of three days and a half.
FIRST = datetime.fromtimestamp(1_790_000_000, UTC)
MIDDLE = first_id_at(FIRST + timedelta(days=1))
START = BEGINNING.notification_id


@pytest.mark.parametrize("days", [80, 91, 92, 100])
@pytest.mark.parametrize("client", ["", "other", "shop", "tiny"])
@pytest.mark.parametrize("after", [START, MIDDLE])
@pytest.mark.parametrize("shop_keeps_all", [False, True])
def test_a_step_reads_no_more_rows_than_it_takes(
    after: UUID, client: str, days: int, *, shop_keeps_all: bool
) -> None:
    if shop_keeps_all:
        RetentionRule.objects.create(client="shop", days=3000)
    known = rules.load(FIRST + timedelta(days=days))

    with plans(*TABLES) as found:
        step(Position(client, "live", after), known)

    check(found, *TABLES)
    # The rows of the step, and the first row of the next client.
    assert [plan for plan in found if rows_read(plan) > STEP_ROWS] == []


def test_a_step_with_old_rows_locks_and_deletes_them_by_their_ids() -> None:
    # The rows changed last when they were written.
    known = rules.load(datetime.now(UTC) + timedelta(days=400))

    with plans(*TABLES) as found:
        after, gone = step(Position("shop", "live", START), known)

    assert after is not None
    assert gone == STEP_ROWS
    check(found, *TABLES)
    assert [plan for plan in found if rows_read(plan) > STEP_ROWS] == []
