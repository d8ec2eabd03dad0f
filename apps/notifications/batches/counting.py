"""Count the audience of a broadcast in pieces, beside the slices that are made of it.

At millions of users one count takes longer than a request may.
"""

from apps.notifications.batches.pieces import broadcast_of
from apps.notifications.models import Batch
from apps.users import contacts

# The users of one step. It takes tens of milliseconds, and is 40 times what a slice makes, so the
# number is known early.
COUNTED_USERS = 20_000


def count_some(batch: Batch) -> None:
    """Count the next users; the caller saves the batch.

    Args:
        batch: A batch that is being counted, locked by the current transaction.
    """
    asked = broadcast_of(batch)
    found, last = contacts.count_next_audience(
        after=batch.counted_to_user_id,
        upto=batch.pk,
        users=COUNTED_USERS,
        channel=asked.notification_type,
        category=asked.audience.category,
    )
    batch.total += found
    batch.counting = last is not None
    batch.counted_to_user_id = last or batch.pk
