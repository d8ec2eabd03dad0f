"""Many users at once, in the order of their ids, so that a walk can stop and go on."""

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
        after: The last user of the step before.
        upto: Users made later than this id are not meant.
        limit: How many at most.
        channel: How they will be told.
        category: Only those who take this category by the channel; None for everybody.
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
