"""Remove the rows of uploads that were rejected after a week; their errors stay."""

from datetime import timedelta

from django.utils import timezone

from apps.notifications.models import BatchError

# A row is there for seven days at most. The job that removes it begins once an hour, and may have
# much to do.
KEPT = timedelta(days=7) - timedelta(hours=2)
STEP_ROWS = 1000


def clear_step(*, rows: int = STEP_ROWS) -> int:
    """Remove the next old rows, the oldest first, however long their batches are kept.

    Args:
        rows: The maximum number of rows.

    Returns:
        The number of rows that were removed; 0 if there are no old ones.
    """
    old = BatchError.objects.filter(kept_at__lt=timezone.now() - KEPT).order_by("kept_at")
    ids = list(old.values_list("pk", flat=True)[:rows])
    return BatchError.objects.filter(pk__in=ids).forget_rows() if ids else 0
