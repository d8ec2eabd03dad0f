"""What a scheduler does besides sweeping; each chore is a small step, done once a round."""

from apps.notifications.batches.making import make_slice
from apps.notifications.batches.receiving import drop_broken_off
from apps.notifications.dead_letter_desk.many import replay_slice
from apps.notifications.recall import recall
from apps.notifications.retention.leaving import Walk
from apps.notifications.sweep import Chore
from apps.users.housekeeping import Housekeeping


def all_chores() -> list[Chore]:
    """Make the chores of one process."""
    return [recall, replay_slice, make_slice, drop_broken_off, Walk(), Housekeeping()]
