"""The users of a broadcast, read in batches by id, so that reading can stop and resume."""

from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet

from apps.users.models import CategoryPreference, User
from apps.users.preferences import CHANNELS


def size(*, upto: UUID, channel: str, category: str | None) -> int:
    """Count an audience; the arguments are those of ``members``."""
    return _audience(upto=upto, channel=channel, category=category).count()


def members(
    *, after: UUID | None, upto: UUID, limit: int, channel: str, category: str | None
) -> list[UUID]:
    """Return the next users of an audience.

    Args:
        after: The last user of the previous batch; None for the first batch.
        upto: Users that were created later than this id are excluded.
        limit: The maximum number of users.
        channel: The channel of the notifications.
        category: Only users who have this category enabled for the channel; None for all users.
    """
    users = _audience(upto=upto, channel=channel, category=category)
    if after is not None:
        users = users.filter(pk__gt=after)
    return list(users.order_by("pk").values_list("pk", flat=True)[:limit])


def _audience(*, upto: UUID, channel: str, category: str | None) -> QuerySet[User]:
    users = User.objects.filter(erased_at=None, pk__lte=upto)
    if category is None or channel not in CHANNELS:
        return users
    unwanted = CategoryPreference.objects.filter(
        user=OuterRef("pk"), category=category, **{channel: False}
    )
    return users.filter(~Exists(unwanted), **{f"{channel}_enabled": True})
