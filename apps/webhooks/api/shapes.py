"""The request and response serializers of the webhooks, with examples."""

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from apps.common.callers import Scope
from apps.common.rest.serializers import StrictBooleanField, StrictCharField, StrictSerializer
from apps.webhooks import addresses, event_types
from apps.webhooks.addresses import RefusedUrlError
from apps.webhooks.meanings import ERRORS
from apps.webhooks.models import Delivery, DeliveryState, Endpoint
from apps.webhooks.models.endpoint import DESCRIPTION_MAX_LENGTH, URL_MAX_LENGTH

ERROR_WORDS = " ".join(f"`{error}`: {meaning.sentence}" for error, meaning in ERRORS.items())
STATES = [state.value for state in DeliveryState]
SUBSCRIBABLE = [*event_types.EVENT_TYPES, event_types.ALL]
WEBHOOK_ID = "0198f0c2-7a10-7c44-b1f3-5a1d2c3e4f50"
DELIVERY_ID = "0198f0c3-1b20-7d55-a2e4-6b2e3d4f5a61"
EVENT_ID = "0198f0c3-1b20-7000-8e01-6b2e3d4f5a62"

NEW: dict[str, Any] = {
    "url": "https://example.com/hooks/notifications",
    "events": ["notification.delivered", "notification.failed"],
    "description": "the shop",
}
WEBHOOK: dict[str, Any] = {
    "id": WEBHOOK_ID,
    **NEW,
    "kind": "live",
    "enabled": True,
    "disabled_reason": None,
    "disabled_at": None,
    "failing_since": None,
    "previous_secret_until": None,
    "created_at": "2026-11-29T12:00:00Z",
    "updated_at": "2026-11-29T12:00:00Z",
}
SECRET = {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw8Lr7XJgVUOg="}
CREATED: dict[str, Any] = {**WEBHOOK, **SECRET}
ROTATED: dict[str, Any] = {**SECRET, "previous_secret_until": "2026-11-30T12:00:00Z"}
ATTEMPT: dict[str, Any] = {
    "at": "2026-11-29T12:00:01.204Z",
    "status_code": 503,
    "duration_ms": 41,
    "error": None,
    "response_excerpt": "try again",
}
DELIVERY: dict[str, Any] = {
    "id": DELIVERY_ID,
    "event": "notification.delivered",
    "event_id": EVENT_ID,
    "notification_id": "0198f0c2-9d31-7b66-93c5-7c3f4e5a6b72",
    "state": "pending",
    "attempts": [ATTEMPT],
    "next_attempt_at": "2026-11-29T12:00:06Z",
    "created_at": "2026-11-29T12:00:01Z",
}
WINDOW: dict[str, Any] = {
    "since": "2026-11-29T08:00:00Z",
    "until": "2026-11-29T09:00:00Z",
    "state": "failed",
}


class EventsField(serializers.ListField):
    """Event types, each once; ``*`` alone for all."""

    child = serializers.ChoiceField(choices=SUBSCRIBABLE)

    def to_internal_value(self, data: Any) -> list[str]:
        """Return the types in the order of the table, each once."""
        given = super().to_internal_value(data)
        # The limits are those of the document, which counts what is repeated.
        self.run_validators(given)
        return [name for name in SUBSCRIBABLE if name in given]


@extend_schema_field(
    {
        "type": "string",
        "minLength": 1,
        "maxLength": URL_MAX_LENGTH,
        "pattern": addresses.DESCRIBED_URL,
    }
)
class UrlField(StrictCharField):
    """An address that events may be sent to."""

    def to_internal_value(self, data: Any) -> str:
        """Return the address; refuse one that may not be called."""
        try:
            return addresses.checked_url(super().to_internal_value(data))
        except RefusedUrlError as error:
            raise serializers.ValidationError(str(error), code=error.code) from error


class NewWebhookSerializer(StrictSerializer):
    """A webhook to register."""

    url = UrlField(
        max_length=URL_MAX_LENGTH,
        trim_whitespace=False,
        help_text="`https://` only. Its host must have addresses of the public internet alone.",
    )
    events = EventsField(
        min_length=1,
        max_length=len(SUBSCRIBABLE),
        help_text=(
            "The types of events. `*` is all of them, also future ones, without `operations.*`, "
            "which need the scope `operations`."
        ),
    )
    description = StrictCharField(
        required=False, allow_blank=True, max_length=DESCRIPTION_MAX_LENGTH
    )

    def validate_events(self, value: list[str]) -> list[str]:
        """Refuse events of the installation to those who do not operate it."""
        caller = self.context["caller"]
        may = caller.is_staff or Scope.OPERATIONS in caller.scopes
        for name in value:
            known = event_types.EVENT_TYPES.get(name)
            if known is not None and known.for_operations and not may:
                message = f"{name} needs the scope operations."
                # The list was sorted, and the pointer is for the request.
                place = str(self.initial_data["events"].index(name))
                detail = {place: [ErrorDetail(message, code="scope_needed")]}
                raise serializers.ValidationError(detail)
        return value


class WebhookPatchSerializer(NewWebhookSerializer):
    """Changes of a webhook; absent fields stay."""

    enabled = StrictBooleanField(
        required=False, help_text="`true` enables a webhook that was disabled."
    )


class WebhookSerializer(serializers.ModelSerializer[Endpoint]):
    """A webhook, without its secret."""

    events = serializers.ListField(child=serializers.CharField())
    disabled_reason = serializers.SerializerMethodField(
        help_text="`by_hand`, `gone` (it answered 410) or `failing` (only failures for five days)."
    )
    failing_since = serializers.DateTimeField(
        allow_null=True, help_text="Since when every call has failed."
    )
    previous_secret_until = serializers.DateTimeField(
        source="previous_until",
        allow_null=True,
        help_text="Until when the secret before the last rotation signs as well.",
    )

    class Meta:
        model = Endpoint
        fields = (
            "id",
            "url",
            "events",
            "description",
            "kind",
            "enabled",
            "disabled_reason",
            "disabled_at",
            "failing_since",
            "previous_secret_until",
            "created_at",
            "updated_at",
        )

    def get_disabled_reason(self, endpoint: Endpoint) -> str | None:
        """Return why it is disabled: a ``DisabledReason``."""
        return endpoint.disabled_reason or None


class CreatedWebhookSerializer(WebhookSerializer):
    """A new webhook, with the secret, which is shown this once."""

    secret = serializers.CharField(read_only=True)

    class Meta:
        model = Endpoint
        fields = (*WebhookSerializer.Meta.fields, "secret")


class RotatedSerializer(serializers.Serializer[Any]):
    """A new secret, which is shown this once."""

    secret = serializers.CharField()
    previous_secret_until = serializers.DateTimeField()


class AttemptSerializer(serializers.Serializer[Mapping[str, Any]]):
    """One call."""

    at = serializers.DateTimeField()
    status_code = serializers.IntegerField(allow_null=True)
    duration_ms = serializers.IntegerField()
    error = serializers.CharField(
        allow_null=True,
        help_text=f"Why there was no answer. {ERROR_WORDS}",
    )
    response_excerpt = serializers.CharField(
        allow_blank=True, help_text="The beginning of the answer, at most 1 kB."
    )


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    """One event for one webhook."""

    event_id = serializers.UUIDField(help_text="The header `webhook-id`.")
    notification_id = serializers.UUIDField(allow_null=True)
    state = serializers.ChoiceField(choices=STATES)
    attempts = AttemptSerializer(many=True)
    next_attempt_at = serializers.SerializerMethodField()

    class Meta:
        model = Delivery
        fields = (
            "id",
            "event",
            "event_id",
            "notification_id",
            "state",
            "attempts",
            "next_attempt_at",
            "created_at",
        )

    def get_next_attempt_at(self, delivery: Delivery) -> str | None:
        """Return when it is due again; null if it has ended or is being called now."""
        waits = delivery.state == DeliveryState.PENDING and delivery.claim_id is None
        if not waits or delivery.wake_at is None:
            return None
        shown: str | None = serializers.DateTimeField().to_representation(delivery.wake_at)
        return shown


class DeliveriesQuery(StrictSerializer):
    """The filters of the log."""

    state = serializers.ChoiceField(choices=STATES, required=False)


class WindowSerializer(StrictSerializer):
    """What is delivered again."""

    since = serializers.DateTimeField(default_timezone=UTC)
    until = serializers.DateTimeField(
        default_timezone=UTC, help_text="The end, which is not part of the window."
    )
    state = serializers.ChoiceField(
        choices=[DeliveryState.DELIVERED.value, DeliveryState.FAILED.value],
        required=False,
        help_text="Left out: all that have ended.",
    )


class BegunSerializer(serializers.Serializer[Any]):
    """How many deliveries begin again."""

    count = serializers.IntegerField()
