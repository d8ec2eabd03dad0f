"""The locales of existing users for the request path, cached in the process."""

from collections.abc import Iterable
from uuid import UUID

from django.db import connection

from apps.common.ttl_cache import TtlCache
from apps.users.models import User

# TTL of the cache: a change by another process is visible after this time. Missing users are not
# cached, because they can be created at any moment.
CACHE_SECONDS = 5.0
# Maximum number of expiring entries that are refreshed by the query for a missing one.
REFRESHED_MAX = 100
ONE = f'SELECT locale FROM "{User._meta.db_table}" WHERE id = %s AND erased_at IS NULL'  # noqa: S608 - our own name.

_recent: TtlCache[UUID, str] = TtlCache(seconds=CACHE_SECONDS, size=50_000)


def known_locale(user_id: UUID) -> str | None:
    """Return the user's locale; None if there is no such user."""
    remembered = _recent.get(user_id)
    if remembered is not None:
        return remembered
    return known_locales([user_id]).get(user_id)


def known_locales(user_ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return the locales of the users that exist, with at most one query."""
    locales: dict[UUID, str] = {}
    unknown: set[UUID] = set()
    for user_id in user_ids:
        remembered = _recent.get(user_id)
        if remembered is None:
            unknown.add(user_id)
        else:
            locales[user_id] = remembered
    if unknown:
        wanted = unknown.union(_recent.ending(REFRESHED_MAX))
        for user_id, locale in _read_one(*wanted) if len(wanted) == 1 else _read_all(wanted):
            _recent.put(user_id, locale)
            if user_id in unknown:
                locales[user_id] = locale
    return locales


def _read_all(user_ids: Iterable[UUID]) -> Iterable[tuple[UUID, str]]:
    return User.objects.filter(pk__in=user_ids, erased_at=None).values_list("pk", "locale")


def _read_one(user_id: UUID) -> list[tuple[UUID, str]]:
    """Read one locale with prepared SQL: a third of the cost of compiling an ORM query.

    Every request with a single recipient does this.
    """
    key = User._meta.pk.get_db_prep_value(user_id, connection)
    with connection.cursor() as cursor:
        cursor.execute(ONE, [key])
        return [(user_id, locale) for (locale,) in cursor.fetchall()]


def forget_locale(user_id: UUID) -> None:
    """Remove a user from the cache after a change of the locale or a deletion."""
    _recent.forget(user_id)
