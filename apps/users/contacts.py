"""The front door of this app for the pipeline: whom to address, how, and whether they want it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from apps.users import audience, devices, erasure, preferences, suppressions
from apps.users.addresses import address_hash, deliverable
from apps.users.erasure import also_erase
from apps.users.locales import forget_locale, known_locale, known_locales
from apps.users.mail import AccountMail, AccountMailer
from apps.users.mail import fill as send_account_mails_by
from apps.users.models import Device, User

__all__ = [
    "AccountMail",
    "AccountMailer",
    "Contact",
    "DeviceContact",
    "address_hash",
    "addresses_of",
    "also_erase",
    "audience_members",
    "audience_size",
    "erase",
    "forget_locale",
    "known_locale",
    "known_locales",
    "load_contacts",
    "retire_devices",
    "send_account_mails_by",
    "set_channel",
    "suppress",
    "suppress_all",
    "suppressed",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceContact:
    """One device that takes messages."""

    id: UUID
    token: str
    platform: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Contact:
    """What is needed to judge and address one user.

    Attributes:
        email: As it goes to the wire; None where there is no confirmed address.
        locale: A BCP 47 tag in its canonical spelling.
        timezone: A zone of the IANA database.
        devices: The active ones, the oldest first; none where the address is not confirmed.
        suppressed: The address is on the suppression list.
    """

    user_id: UUID
    name: str
    email: str | None
    locale: str
    timezone: str
    devices: tuple[DeviceContact, ...]
    suppressed: bool
    preferences: preferences.Preferences

    def allows(self, channel: str, category: str) -> bool:
        """Tell whether the person takes this category by this channel."""
        return self.preferences.allows(channel, category)

    def quiet_until(self, now: datetime) -> datetime | None:
        """Return when the quiet hours around ``now`` end, in UTC; None when there are none."""
        quiet = self.preferences.quiet_hours
        return quiet.until(now, self.timezone) if quiet else None


def load_contacts(user_ids: Collection[UUID], *, channel: str | None = None) -> dict[UUID, Contact]:
    """Load the users of a chunk in four queries, whatever its size. Erased ones are left out.

    Args:
        user_ids: Whom.
        channel: With ``email`` devices are not loaded, with ``push`` the suppression list is not
            asked: three queries.
    """
    # Values and not models: a hundred users with two prefetched relations cost a worker 15 ms.
    users = User.objects.filter(pk__in=set(user_ids), erased_at=None).values_list(
        "pk",
        "name",
        "email",
        "email_confirmed_at",
        "locale",
        "timezone",
        "email_enabled",
        "push_enabled",
        "quiet_from",
        "quiet_to",
        named=True,
    )
    found = {user.pk: user for user in users}
    if not found:
        return {}
    categories = preferences.categories_of(found)
    # Whoever typed in a stranger's address reads nothing that is meant for its owner.
    confirmed = [user.pk for user in found.values() if user.email_confirmed_at is not None]
    active = _active_devices(confirmed) if channel != "email" else {}
    asked = found.values() if channel != "push" else ()
    addresses = [user.email for user in asked if user.email]
    suppressed = suppressions.suppressed_hashes(addresses) if addresses else set()
    contacts: dict[UUID, Contact] = {}
    for user in found.values():
        usable = user.email if user.email_confirmed_at is not None else None
        contacts[user.pk] = Contact(
            user_id=user.pk,
            name=user.name,
            email=deliverable(usable) if usable else None,
            locale=user.locale,
            timezone=user.timezone,
            devices=tuple(active.get(user.pk, ())),
            suppressed=usable is not None and address_hash(usable) in suppressed,
            preferences=preferences.composed(
                email=user.email_enabled,
                push=user.push_enabled,
                quiet_from=user.quiet_from,
                quiet_to=user.quiet_to,
                categories=categories.get(user.pk, {}),
            ),
        )
    return contacts


def _active_devices(user_ids: Collection[UUID]) -> dict[UUID, list[DeviceContact]]:
    """Read the devices that take messages, by user, the oldest first."""
    devices: dict[UUID, list[DeviceContact]] = {}
    rows = Device.objects.filter(user_id__in=user_ids, retired_at=None).order_by("pk")
    for pk, user_id, token, platform in rows.values_list("pk", "user_id", "token", "platform"):
        devices.setdefault(user_id, []).append(DeviceContact(id=pk, token=token, platform=platform))
    return devices


def audience_size(*, upto: UUID, channel: str, category: str | None) -> int:
    """Count everybody, or with a category those who take it by the channel.

    Args:
        upto: Users made later than this id are not meant.
        channel: How they will be told.
        category: Narrows the audience; None for everybody.
    """
    return audience.size(upto=upto, channel=channel, category=category)


def audience_members(
    *, after: UUID | None, upto: UUID, limit: int, channel: str, category: str | None
) -> list[UUID]:
    """Return up to ``limit`` of them by rising id, from the one behind ``after``."""
    return audience.members(after=after, upto=upto, limit=limit, channel=channel, category=category)


def addresses_of(user_id: UUID) -> set[str]:
    """Return every address and token of a person, as it goes to the wire, for erasure."""
    emails = User.objects.filter(pk=user_id).values_list("email", "pending_email")
    found = {deliverable(address) for both in emails for address in both if address}
    return found | set(Device.objects.filter(user_id=user_id).values_list("token", flat=True))


def suppressed(emails: Collection[str]) -> set[str]:
    """Return those of the addresses that are on the suppression list, in one query."""
    hashes = suppressions.suppressed_hashes(emails) if emails else set()
    return {email for email in emails if address_hash(email) in hashes}


def suppress(*, email: str, reason: str) -> None:
    """Never write to this address again. Idempotent."""
    suppressions.suppress_all({email: reason})


def suppress_all(reasons: Mapping[str, str]) -> None:
    """Never write to these addresses again: each with its reason. Idempotent."""
    suppressions.suppress_all(reasons)


def suppress_hash(hashed: str, *, user_id: UUID, reason: str) -> None:
    """Never write to an address again of which only the hash is known. Idempotent.

    Args:
        hashed: Its ``address_hash``.
        user_id: Whose it was; while it still is, the list shows the address to people.
        reason: Why, such as ``hard_bounce``.
    """
    suppressions.suppress_hash(hashed, candidates=addresses_of(user_id), reason=reason)


def retire_devices(reasons: Mapping[UUID, str]) -> None:
    """Stop using devices whose tokens are dead: their ids with the provider's reason.

    Registering the token again brings the device back.
    """
    devices.retire(reasons)


def erase(user_id: UUID) -> None:
    """Erase what is known about a person, inside the caller's transaction. Idempotent.

    Raises:
        RuntimeError: There is no transaction.
    """
    erasure.erase(user_id)


def set_channel(*, user_id: UUID, channel: str, category: str | None, enabled: bool) -> None:
    """Turn a channel on or off for a person, altogether or for one category.

    Raises:
        ValueError: There is no such channel.
    """
    preferences.set_channel(user_id=user_id, channel=channel, category=category, enabled=enabled)
