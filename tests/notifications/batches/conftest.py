"""The broker that every test of batches needs, and slices of few rows."""

import pytest

from apps.notifications.batches import slices
from tests.notifications.lanes import Lanes


@pytest.fixture(autouse=True)
def broker(lanes: Lanes) -> Lanes:
    """Empty the queues: a step of a batch looks at their depth."""
    return lanes


@pytest.fixture(autouse=True)
def slices_of_500_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut after 500 rows, so that a batch of 1,001 has three slices."""
    monkeypatch.setattr(slices, "SLICE_ROWS", 500)
