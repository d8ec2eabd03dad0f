"""All that concerns one person, for their page and for the export of their data."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from apps.notifications.models import Notification
from apps.users import preferences, suppressions
from apps.users.addresses import address_hash
from apps.users.models import Device, ExternalId, Suppression, User

# Notifications that are read at once for an export.
EXPORTED_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One person.

    Attributes:
        user: The account.
        preferences: What they want to get.
        devices: Their devices, the newest first, with the retired ones.
        external_ids: What clients call them.
        suppression: Why their address gets no mail; None if it does.
    """

    user: User
    preferences: preferences.Preferences
    devices: list[Device]
    external_ids: list[ExternalId]
    suppression: Suppression | None


def profile_of(user: User) -> Profile:
    """Return all that concerns a person, but for their messages."""
    return Profile(
        user=user,
        preferences=preferences.of_user(user),
        devices=list(user.devices.order_by("-pk")),
        external_ids=list(user.external_ids.order_by("client", "value")),
        suppression=_suppression(user.email) if user.email else None,
    )


def _suppression(email: str) -> Suppression | None:
    if not suppressions.suppressed_hashes([email]):
        return None
    return Suppression.objects.filter(address_hash=address_hash(email)).first()


def export(user: User) -> Iterator[str]:
    """Yield the data of a person as JSON: their account and every message to them.

    What is kept of a message is in it; the variables of a sensitive one are not kept.
    """
    yield '{"person": '
    yield _json(_person(profile_of(user)))
    yield ', "messages": ['
    rows = Notification.objects.filter(user_id=user.pk).order_by("-pk")
    for number, row in enumerate(rows.iterator(chunk_size=EXPORTED_AT_ONCE)):
        yield f"{',' if number else ''}\n{_json(_message(row))}"
    yield "\n]}\n"


def _person(profile: Profile) -> dict[str, Any]:
    user = profile.user
    return {
        "id": user.pk,
        "name": user.name,
        "email": user.email,
        "email_confirmed_at": user.email_confirmed_at,
        "pending_email": user.pending_email or None,
        "locale": user.locale,
        "timezone": user.timezone,
        "created_at": user.created_at,
        "preferences": asdict(profile.preferences),
        "devices": [
            {
                "platform": device.platform,
                "token": device.token,
                "last_seen_at": device.last_seen_at,
                "retired_at": device.retired_at,
                "retired_reason": device.retired_reason or None,
            }
            for device in profile.devices
        ],
        "external_ids": [
            {"client": each.client, "value": each.value} for each in profile.external_ids
        ],
        "suppressed": profile.suppression and profile.suppression.reason,
    }


def _message(row: Notification) -> dict[str, Any]:
    names = (
        "id",
        "channel",
        "template_code",
        "template_version",
        "language",
        "variables",
        "metadata",
        "status",
        "reason",
        "client",
        "request_id",
        "created_at",
        "scheduled_for",
        "updated_at",
    )
    return {name: getattr(row, name) for name in names}


def _json(value: Any) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False)
