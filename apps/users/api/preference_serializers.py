"""Serializers of preferences."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from apps.common.rest.serializers import StrictBooleanField, StrictSerializer
from apps.users.api.fields import ClockField
from apps.users.api.serializers import SwitchesIn
from apps.users.models.preference import CATEGORY_MAX_LENGTH
from apps.users.preferences import MAX_CATEGORIES, Channels, Preferences, QuietHours


class QuietHoursField(StrictSerializer):
    """Start and end in the user's time zone; past midnight if the end is earlier."""

    component_name = "QuietHours"

    start = ClockField()
    end = ClockField()

    def validate(self, attrs: dict[str, Any]) -> QuietHours:
        """Refuse an equal start and end, which could mean never or always."""
        if attrs["start"] == attrs["end"]:
            message = "Quiet hours begin and end at different times."
            raise serializers.ValidationError(message, code="empty")
        return QuietHours(start=attrs["start"], end=attrs["end"])


class CategoriesField(serializers.DictField):
    """Channel switches, keyed by category name."""

    default_error_messages = {
        "bad_name": f"The name of a category has 1 to {CATEGORY_MAX_LENGTH} printable characters.",
        "too_many": f"There may be at most {MAX_CATEGORIES} categories.",
    }

    def to_internal_value(self, data: Any) -> Any:
        """Refuse invalid category names and too many categories."""
        if isinstance(data, Mapping):
            if len(data) > MAX_CATEGORIES:
                self.fail("too_many")
            for name in data:
                good = 1 <= len(name) <= CATEGORY_MAX_LENGTH and name.isprintable()
                if not good or name != name.strip():
                    self.fail("bad_name")
        return super().to_internal_value(data)


class PreferencesPut(StrictSerializer):
    """All preferences; omitted categories and quiet hours are removed."""

    component_name = "NewPreferences"

    email = StrictBooleanField()
    push = StrictBooleanField()
    categories = CategoriesField(child=SwitchesIn(), required=False)
    quiet_hours = QuietHoursField(required=False, allow_null=True)

    def preferences(self) -> Preferences:
        """Return the validated preferences."""
        given = self.validated_data
        return Preferences(
            email=given["email"],
            push=given["push"],
            categories={
                name: Channels(**switches)
                for name, switches in sorted(given.get("categories", {}).items())
            },
            quiet_hours=given.get("quiet_hours"),
        )


class PreferencesPatchIn(StrictSerializer):
    """The preferences to change; a category of null is removed."""

    component_name = "PreferencesChanges"

    email = StrictBooleanField(required=False)
    push = StrictBooleanField(required=False)
    categories = CategoriesField(child=SwitchesIn(allow_null=True), required=False)
    quiet_hours = QuietHoursField(required=False, allow_null=True)


class ChannelsOut(serializers.Serializer[Channels]):
    """The channel switches of one category."""

    email = serializers.BooleanField()
    push = serializers.BooleanField()


class PreferencesOut(serializers.Serializer[Preferences]):
    """All preferences."""

    email = serializers.BooleanField()
    push = serializers.BooleanField()
    categories = serializers.DictField(child=ChannelsOut())
    quiet_hours = QuietHoursField(allow_null=True)
