"""Notification preferences of a user: by channel, by category, and quiet hours."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any, TypedDict
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils import timezone

from apps.common.account_events import AccountEvent, AccountEventType, tell
from apps.common.postgresql.one_of import OneOf
from apps.common.rest.problems import Problem, invalid
from apps.users import timezones
from apps.users.models import CategoryPreference, User

CHANNELS = ("email", "push")
MAX_CATEGORIES = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Channels:
    """An on/off switch for each channel."""

    email: bool = True
    push: bool = True

    def allows(self, channel: str) -> bool:
        """Return whether a channel is on. A channel without a switch is always on."""
        return bool(getattr(self, channel)) if channel in CHANNELS else True


@dataclass(frozen=True, kw_only=True, slots=True)
class QuietHours:
    """Start and end in the user's time zone; past midnight if the end is earlier."""

    start: time
    end: time

    def until(self, now: datetime, zone: str) -> datetime | None:
        """Return when the quiet hours that include ``now`` end, in UTC; None outside of them."""
        local = now.astimezone(ZoneInfo(zone))
        if not self._include(local):
            return None
        # When clocks are set back, the end occurs twice: the wall clock counts on both passes.
        days = (local.date(), local.date() + timedelta(days=1))
        ends = [
            timezones.instant(datetime.combine(day, self.end), zone, second_pass=second)
            for day in days
            for second in (False, True)
        ]
        end = min(end for end in ends if end > now)
        # Clocks may be set back to before the start.
        changed = timezones.change_between(now.astimezone(UTC), end, zone)
        if changed is not None and not self._include(changed.astimezone(ZoneInfo(zone))):
            return changed
        return end

    def _include(self, local: datetime) -> bool:
        clock = local.time().replace(tzinfo=None)
        if self.end < self.start:
            return clock >= self.start or clock < self.end
        return self.start <= clock < self.end


@dataclass(frozen=True, kw_only=True, slots=True)
class Preferences:
    """All preferences. A category can only restrict the switches of the account."""

    email: bool = True
    push: bool = True
    categories: Mapping[str, Channels] = field(default_factory=dict)
    quiet_hours: QuietHours | None = None

    def allows(self, channel: str, category: str) -> bool:
        """Return whether the user accepts this category on this channel."""
        general = Channels(email=self.email, push=self.push)
        narrower = self.categories.get(category)
        return general.allows(channel) and (narrower is None or narrower.allows(channel))


class PreferencesPatch(TypedDict, total=False):
    """The fields of a PATCH. Absent fields are not changed. A category of None is removed."""

    email: bool
    push: bool
    categories: Mapping[str, Mapping[str, bool] | None]
    quiet_hours: QuietHours | None


def of_user(user: User) -> Preferences:
    """Return a user's preferences, with one query."""
    return composed(
        email=user.email_enabled,
        push=user.push_enabled,
        quiet_from=user.quiet_from,
        quiet_to=user.quiet_to,
        categories=categories_of([user.pk]).get(user.pk, {}),
    )


def categories_of(user_ids: Collection[UUID]) -> dict[UUID, dict[str, Channels]]:
    """Return the category switches by user, with one query. Users without any are omitted."""
    found: dict[UUID, dict[str, Channels]] = {}
    rows = CategoryPreference.objects.filter(OneOf("user_id", user_ids))
    for user_id, category, email, push in rows.values_list("user_id", "category", "email", "push"):
        found.setdefault(user_id, {})[category] = Channels(email=email, push=push)
    return found


def composed(
    *,
    email: bool,
    push: bool,
    quiet_from: time | None,
    quiet_to: time | None,
    categories: Mapping[str, Channels],
) -> Preferences:
    """Build preferences from the columns of an account and its categories."""
    quiet = None
    if quiet_from is not None and quiet_to is not None:
        quiet = QuietHours(start=quiet_from, end=quiet_to)
    return Preferences(
        email=email, push=push, categories=dict(sorted(categories.items())), quiet_hours=quiet
    )


def replace(*, user_id: UUID, preferences: Preferences) -> Preferences:
    """Replace all preferences of a user.

    Raises:
        Problem: 400 for too many categories, 404 where there is no such user.
    """
    with transaction.atomic():
        _store(_locked(user_id), preferences)
    return preferences


def merge(*, user_id: UUID, patch: PreferencesPatch) -> Preferences:
    """Change the preferences that are in the patch; return all preferences.

    Raises:
        Problem: 400 for too many categories, 404 where there is no such user.
    """
    with transaction.atomic():
        user = _locked(user_id)
        current = of_user(user)
        categories = dict(current.categories)
        for name, switches in patch.get("categories", {}).items():
            if switches is None:
                categories.pop(name, None)
                continue
            known = categories.get(name, Channels())
            categories[name] = Channels(
                email=switches.get("email", known.email), push=switches.get("push", known.push)
            )
        merged = Preferences(
            email=patch.get("email", current.email),
            push=patch.get("push", current.push),
            categories=dict(sorted(categories.items())),
            quiet_hours=patch.get("quiet_hours", current.quiet_hours),
        )
        _store(user, merged)
    return merged


def set_channel(*, user_id: UUID, channel: str, category: str | None, enabled: bool) -> None:
    """Turn a channel on or off, in general or for one category. An erased user is not changed.

    Raises:
        ValueError: There is no such channel.
    """
    if channel not in CHANNELS:
        message = f"There is no channel {channel!r}."
        raise ValueError(message)
    with transaction.atomic():
        user = User.objects.select_for_update().filter(pk=user_id, erased_at=None).first()
        if user is None:
            return
        if category is None:
            field_name = f"{channel}_enabled"
            setattr(user, field_name, enabled)
            user.save(update_fields=[field_name, "updated_at"])
        else:
            CategoryPreference.objects.update_or_create(
                user=user, category=category, defaults={channel: enabled}
            )
        _tell([user_id])


def set_channels(
    changes: Mapping[tuple[UUID, str | None], bool], *, channel: str, now: datetime
) -> None:
    """Turn a channel on or off for many users, with at most four statements besides a transaction.

    Erased and unknown users are left out.

    Args:
        changes: Whether it is on, by user and category; without a category it is meant in general.
        channel: The channel.
        now: The time of the change, UTC.
    """
    if channel not in CHANNELS:
        message = f"There is no channel {channel!r}."
        raise ValueError(message)
    with transaction.atomic():
        asked = User.objects.filter(OneOf("pk", {user for user, _ in changes}), erased_at=None)
        known = set(asked.order_by("pk").select_for_update().values_list("pk", flat=True))
        for enabled in (True, False):
            users = {
                user
                for (user, category), on in changes.items()
                if category is None and on is enabled and user in known
            }
            if users:
                changed = {f"{channel}_enabled": enabled, "updated_at": now}
                User.objects.filter(OneOf("pk", users)).update(**changed)
        rows = [
            CategoryPreference(user_id=user, category=category, **{channel: enabled})
            for (user, category), enabled in changes.items()
            if category is not None and user in known
        ]
        CategoryPreference.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["user", "category"],
            update_fields=[channel],
        )
        _tell(known)


def as_json(preferences: Preferences) -> dict[str, Any]:
    """Return preferences as the API shows them."""
    quiet = preferences.quiet_hours
    return {
        "email": preferences.email,
        "push": preferences.push,
        "categories": {
            name: {"email": switches.email, "push": switches.push}
            for name, switches in preferences.categories.items()
        },
        "quiet_hours": (
            {"start": quiet.start.strftime("%H:%M"), "end": quiet.end.strftime("%H:%M")}
            if quiet
            else None
        ),
    }


def _tell(user_ids: Collection[UUID]) -> None:
    """Tell client applications what users want now, in the transaction of the change."""
    if user_ids:
        tell(AccountEventType.PREFERENCES_CHANGED, lambda: _events(user_ids))


def _events(user_ids: Collection[UUID]) -> Iterator[AccountEvent]:
    now = timezone.now()
    categories = categories_of(user_ids)
    for user in User.objects.filter(OneOf("pk", user_ids)):
        wanted = composed(
            email=user.email_enabled,
            push=user.push_enabled,
            quiet_from=user.quiet_from,
            quiet_to=user.quiet_to,
            categories=categories.get(user.pk, {}),
        )
        yield AccountEvent(
            type=AccountEventType.PREFERENCES_CHANGED,
            at=now,
            user_id=user.pk,
            data={"preferences": as_json(wanted)},
        )


def _locked(user_id: UUID) -> User:
    user = User.objects.select_for_update().filter(pk=user_id, erased_at=None).first()
    if user is None:  # Erased since the request has read the account.
        raise Problem(404, "There is no such user.")
    return user


def _store(user: User, preferences: Preferences) -> None:
    if len(preferences.categories) > MAX_CATEGORIES:
        detail = f"There may be at most {MAX_CATEGORIES} categories."
        raise invalid("/categories", "too_many", detail)
    user.email_enabled = preferences.email
    user.push_enabled = preferences.push
    quiet = preferences.quiet_hours
    user.quiet_from = quiet.start if quiet else None
    user.quiet_to = quiet.end if quiet else None
    user.save(
        update_fields=["email_enabled", "push_enabled", "quiet_from", "quiet_to", "updated_at"]
    )
    user.category_preferences.all().delete()
    CategoryPreference.objects.bulk_create(
        CategoryPreference(user=user, category=name, email=switches.email, push=switches.push)
        for name, switches in preferences.categories.items()
    )
    _tell([user.pk])
