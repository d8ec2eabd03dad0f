"""Which users there are and what they read, for the request path: from memory where possible."""

from collections.abc import Iterable
from uuid import UUID

from apps.users.memory import Recent
from apps.users.models import User

# Another process's change of a locale is seen after this long at the latest. Users that are not
# there are not remembered: they may be made at any moment.
REMEMBERED_SECONDS = 2.0

_recent: Recent[UUID, str] = Recent(seconds=REMEMBERED_SECONDS, size=50_000)


def known_locale(user_id: UUID) -> str | None:
    """Return the user's locale; None where there is no such user."""
    remembered = _recent.get(user_id)
    if remembered is not None:
        return remembered
    return known_locales([user_id]).get(user_id)


def known_locales(user_ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return the locales of those users that there are, with at most one query."""
    locales: dict[UUID, str] = {}
    unknown: set[UUID] = set()
    for user_id in user_ids:
        remembered = _recent.get(user_id)
        if remembered is None:
            unknown.add(user_id)
        else:
            locales[user_id] = remembered
    if unknown:
        rows = User.objects.filter(pk__in=unknown, erased_at=None).values_list("pk", "locale")
        for user_id, locale in rows:
            locales[user_id] = locale
            _recent.put(user_id, locale)
    return locales


def forget_locale(user_id: UUID) -> None:
    """Forget a user whose locale has changed, or who is gone."""
    _recent.forget(user_id)
