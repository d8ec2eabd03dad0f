"""Which users there are and what they read, for the request path: from memory where possible."""

from collections.abc import Iterable
from uuid import UUID

from django.db import connection

from apps.common.ttl_cache import TtlCache
from apps.users.models import User

# Another process's change of a locale is seen after this long at the latest. Users that are not
# there are not remembered: they may be made at any moment.
REMEMBERED_SECONDS = 5.0
# So many are read along with one that is not remembered.
ALONG_MAX = 100
ONE = f'SELECT locale FROM "{User._meta.db_table}" WHERE id = %s AND erased_at IS NULL'  # noqa: S608 - a name of ours.

_recent: TtlCache[UUID, str] = TtlCache(seconds=REMEMBERED_SECONDS, size=50_000)


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
        wanted = unknown.union(_recent.ending(ALONG_MAX))
        for user_id, locale in _read_one(*wanted) if len(wanted) == 1 else _read_all(wanted):
            _recent.put(user_id, locale)
            if user_id in unknown:
                locales[user_id] = locale
    return locales


def _read_all(user_ids: Iterable[UUID]) -> Iterable[tuple[UUID, str]]:
    return User.objects.filter(pk__in=user_ids, erased_at=None).values_list("pk", "locale")


def _read_one(user_id: UUID) -> list[tuple[UUID, str]]:
    """Read one, as every single request does: a third of what it costs to compile the query."""
    key = User._meta.pk.get_db_prep_value(user_id, connection)
    with connection.cursor() as cursor:
        cursor.execute(ONE, [key])
        return [(user_id, locale) for (locale,) in cursor.fetchall()]


def forget_locale(user_id: UUID) -> None:
    """Forget a user whose locale has changed, or who is gone."""
    _recent.forget(user_id)
