"""Share due rows between processes: each takes one that no other process has locked."""

from datetime import datetime
from typing import TypeVar

from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)


def lock_first(rows: "QuerySet[Row]", *, now: datetime) -> Row | None:
    """Lock the row with the earliest ``next_at`` that is due, for the rest of the transaction.

    On SQLite every transaction takes the single write lock, so check first with ``any_due`` whether
    a transaction is necessary.

    Returns:
        The row; None if no row is due, or if other processes have locked all due rows.
    """
    due = rows.filter(next_at__lte=now).order_by("next_at")
    return due.select_for_update(skip_locked=True).first()


def any_due(rows: "QuerySet[Row]", *, now: datetime) -> bool:
    """Tell without a transaction whether any row is due."""
    return rows.filter(next_at__lte=now).exists()
