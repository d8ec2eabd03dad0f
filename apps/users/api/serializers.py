"""Serializers of accounts."""

from typing import Any

from rest_framework import serializers

from apps.common.rest.serializers import StrictBooleanField, StrictCharField, StrictSerializer
from apps.users.api.fields import (
    AddressField,
    LineField,
    LocaleField,
    PlatformField,
    PushTokenField,
    TimezoneField,
)
from apps.users.models import User
from apps.users.models.device import Platform
from apps.users.models.external_id import EXTERNAL_ID_MAX_LENGTH
from apps.users.passwords import MAX_LENGTH as PASSWORD_MAX_LENGTH

EXAMPLE_USER_ID = "0197b2f0-5a4e-7c3d-9f1e-2b7a6c5d4e3f"


class PasswordField(StrictCharField):
    """A password; used unchanged and never returned."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            max_length=PASSWORD_MAX_LENGTH, trim_whitespace=False, write_only=True, **kwargs
        )


class SwitchesIn(StrictSerializer):
    """The channel switches; an omitted one is not changed. The initial value is on."""

    email = StrictBooleanField(required=False)
    push = StrictBooleanField(required=False)


class SwitchesOut(serializers.Serializer[Any]):
    """The channel switches."""

    component_name = "UserSwitches"

    email = serializers.BooleanField(source="email_enabled")
    push = serializers.BooleanField(source="push_enabled")


class ProfileFields(StrictSerializer):
    """The fields of all requests that create or change a profile."""

    name = LineField(max_length=200)
    email = AddressField()
    password = PasswordField(required=False, allow_null=True)
    locale = LocaleField(required=False)
    timezone = TimezoneField(required=False)
    preferences = SwitchesIn(required=False)
    external_id = LineField(required=False, allow_null=True, max_length=EXTERNAL_ID_MAX_LENGTH)
    push_token = PushTokenField(required=False, allow_null=True)
    platform = PlatformField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Rename the switches to the account's fields, and drop a null password or push token."""
        for channel, enabled in (attrs.pop("preferences", None) or {}).items():
            attrs[f"{channel}_enabled"] = enabled
        for name in ("password", "push_token"):
            if attrs.get(name, "") is None:
                del attrs[name]
        if "platform" in attrs and "push_token" not in attrs:
            message = "A platform belongs to a push_token."
            raise serializers.ValidationError({"platform": [message]}, code="without_token")
        return attrs


class NewUserIn(ProfileFields):
    """The body of a registration."""


class UserChangesIn(ProfileFields):
    """The body of PUT and PATCH, with ``current_password`` if an end user changes credentials."""

    component_name = "UserProfile"

    current_password = PasswordField(required=False)


class UserOut(serializers.Serializer[Any]):
    """One account. Its password is never shown."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    email = serializers.EmailField()
    email_confirmed = serializers.BooleanField(
        help_text="Whether the address is used; one that a person entered is confirmed first."
    )
    pending_email = serializers.SerializerMethodField(
        help_text="The address that the person wants to change to, until it is confirmed."
    )
    locale = serializers.CharField()
    timezone = serializers.CharField()
    external_id = serializers.SerializerMethodField(
        help_text="The calling client's own id of the user."
    )
    preferences = SwitchesOut(source="*")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def get_pending_email(self, user: User) -> str | None:
        """Return the unconfirmed address, if any."""
        return user.pending_email or None

    def get_external_id(self, user: User) -> str | None:
        """Return the external id that ``visible_users`` has loaded for the caller."""
        shown = getattr(user, "shown_external_ids", [])
        return shown[0].value if shown else None


class UserFilter(StrictSerializer):
    """The query parameters of the list of accounts."""

    email = AddressField(required=False)
    external_id = LineField(required=False, max_length=EXTERNAL_ID_MAX_LENGTH)
    cursor = StrictCharField(required=False)
    page_size = StrictCharField(required=False)
    format = StrictCharField(required=False)


class LoginIn(StrictSerializer):
    """The body of a login. Any text is accepted as address: a malformed one is just unknown."""

    email = StrictCharField(max_length=320)
    password = PasswordField()
    one_time_code = StrictCharField(
        max_length=32, required=False, help_text="The second factor, of staff who have set one up."
    )


class RefreshIn(StrictSerializer):
    """A refresh token."""

    component_name = "RefreshToken"

    refresh = StrictCharField(max_length=2048)


class TokensOut(serializers.Serializer[Any]):
    """New tokens. ``expires_in`` is the lifetime of the access token in seconds."""

    access = serializers.CharField()
    refresh = serializers.CharField()
    token_type = serializers.ChoiceField(choices=["Bearer"])
    expires_in = serializers.IntegerField()


class LoginOut(TokensOut):
    """New tokens and their user."""

    component_name = "Session"

    user = UserOut()


class ResetIn(StrictSerializer):
    """The address of the account whose password was forgotten."""

    component_name = "PasswordReset"

    email = AddressField()


class ResetConfirmIn(StrictSerializer):
    """The token of the link in the mail, and the new password."""

    component_name = "NewPassword"

    token = StrictCharField(max_length=512)
    password = PasswordField()


class ConfirmIn(StrictSerializer):
    """The token of the link in the mail."""

    component_name = "EmailConfirmation"

    token = StrictCharField(max_length=1024)


class DeviceIn(StrictSerializer):
    """A device to register."""

    component_name = "NewDevice"

    push_token = PushTokenField()
    platform = PlatformField(required=False)


class DeviceOut(serializers.Serializer[Any]):
    """One device. A retired one is kept, with the provider's reason, but is not used."""

    id = serializers.UUIDField()
    push_token = serializers.CharField(source="token")
    platform = serializers.ChoiceField(choices=Platform.choices)
    active = serializers.BooleanField()
    retired_at = serializers.DateTimeField(allow_null=True)
    retired_reason = serializers.CharField()
    created_at = serializers.DateTimeField()
    last_seen_at = serializers.DateTimeField()
