"""The places of the desk, as its menu shows them: by work, and only what a role may do."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import reverse


@dataclass(frozen=True, kw_only=True)
class Place:
    """One entry of the menu.

    Attributes:
        key: The name that its pages give as ``place``.
        title: The word in the menu.
        address: The name of its page's route.
        permission: What a user needs to see it; empty for every member of staff.
        paths: The beginnings of the paths that belong to it.
    """

    key: str
    title: str
    address: str
    permission: str
    paths: tuple[str, ...] = ()


PLACES = (
    Place(
        key="home",
        title="Home",
        address="desk:home",
        permission="",
        paths=("/admin/processes/",),
    ),
    Place(
        key="messages",
        title="Messages",
        address="desk:messages",
        permission="notifications.view_notification",
        paths=("/admin/messages/", "/sandbox/"),
    ),
    Place(
        key="people",
        title="People",
        address="desk:people",
        permission="users.view_user",
        paths=("/admin/people/", "/admin/users/user/"),
    ),
    Place(
        key="templates",
        title="Templates",
        address="desk:templates",
        permission="message_templates.view_template",
        paths=("/admin/templates/", "/admin/message_templates/"),
    ),
    Place(
        key="batches",
        title="Batches",
        address="desk:batches",
        permission="notifications.view_batch",
        paths=("/admin/batches/",),
    ),
    Place(
        key="dead-letters",
        title="Dead letters",
        address="desk:letters",
        permission="notifications.view_deadletter",
        paths=("/admin/dead-letters/",),
    ),
    Place(
        key="providers",
        title="Providers",
        address="providers",
        permission="notifications.view_heartbeat",
        paths=("/admin/providers/",),
    ),
    Place(
        key="webhooks",
        title="Webhooks",
        address="desk:webhooks",
        permission="webhooks.view_endpoint",
        paths=("/admin/webhooks/",),
    ),
    Place(key="settings", title="Settings", address="desk:settings", permission=""),
)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A place as one user sees it in the menu."""

    title: str
    url: str
    is_current: bool


def menu(user: Any, path: str) -> Iterator[Shown]:
    """Yield the places that a user may go to.

    Args:
        user: The member of staff.
        path: The path of the current page; empty for one that is in no place.
    """
    current = place_of(path)
    for place in PLACES:
        if not place.permission or user.has_perm(place.permission):
            yield Shown(
                title=place.title, url=reverse(place.address), is_current=place.key == current
            )


def place_of(path: str) -> str:
    """Return the key of the place that a path belongs to; what has no place is in the settings."""
    if not path:
        return ""
    if path == reverse("desk:home"):
        return "home"
    for place in PLACES:
        if any(path.startswith(begin) for begin in place.paths):
            return place.key
    return "settings"
