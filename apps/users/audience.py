"""The users of a broadcast, read in batches by id, so that reading can stop and resume."""

from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet

from apps.users.models import CategoryPreference, User
from apps.users.preferences import CHANNELS


def count_next(
    *, after: UUID | None, upto: UUID, users: int, channel: str, category: str | None
) -> tuple[int, UUID | None]:
    """Count the members of an audience among the next users.

    It reads at most ``users`` users, whether or not they are members.

    Args:
        after: The last user of the previous call; None for the first call.
        upto: As in ``members``.
        users: The number of users to read.
        channel: As in ``members``.
        category: As in ``members``.

    Returns:
        The number of members, and the last of the users; None if there are no more.
    """
    ahead = User.objects.filter(pk__lte=upto)
    if after is not None:
        ahead = ahead.filter(pk__gt=after)
    last = ahead.order_by("pk").values_list("pk", flat=True)[users - 1 : users].first()
    counted = _audience(upto=last or upto, channel=channel, category=category)
    if after is not None:
        counted = counted.filter(pk__gt=after)
    return counted.count(), last


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
