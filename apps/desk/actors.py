"""Who did something, in words: staff by their names, programs by what they are."""

from collections.abc import Iterable

from apps.common.ids import as_uuid
from apps.notifications.dead_letters.store import SYSTEM
from apps.users.models import User

STAFF = "staff:"
PROGRAMS = {SYSTEM: "the service itself", "operator": "somebody at the command line"}


def names_of(actors: Iterable[str]) -> dict[str, str]:
    """Return what to call each actor, with one query for all staff.

    Args:
        actors: As in the trails: ``staff:<user id>``, ``operator``, ``system`` or a client.
    """
    wanted = set(actors)
    staff = {
        identifier
        for actor in wanted
        if actor.startswith(STAFF) and (identifier := as_uuid(actor.removeprefix(STAFF)))
    }
    users = User.objects.filter(pk__in=staff).values_list("pk", "name", "email") if staff else ()
    known = {f"{STAFF}{pk}": name or email or "" for pk, name, email in users}
    return {actor: known.get(actor) or PROGRAMS.get(actor, actor) for actor in wanted}
