"""The response serializers of notifications."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.common.channels import Channel
from apps.notifications.lifecycle.reasons import in_markdown
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notification

STATUS_CHOICES = [status.value for status in Status]
REASONS = f"Why; null without a reason. A provider may have further ones.\n\n{in_markdown()}"
CHANNEL_CHOICES = [channel.value for channel in Channel]


def links(notification: Notification) -> dict[str, str]:
    """Return the links to a notification and its status."""
    itself = f"/api/v1/notifications/{notification.pk}"
    return {"self": itself, "status": f"{itself}/status"}


def accepted_answer(notification: Notification) -> dict[str, Any]:
    """Build the response for an accepted notification.

    It uses only constant values, so that a repeated request gets the same response. The hot path
    builds it without a serializer; a test compares it with ``AcceptedSerializer``.
    """
    return {
        "id": notification.pk,
        "notification_id": notification.pk,
        "request_id": notification.request_id,
        "status": notification.first_status.value,
        "notification_type": notification.channel,
        "user_id": notification.user_id,
        "template_code": notification.template_code,
        "template_version": notification.template_version,
        "language": notification.language,
        "priority": notification.priority,
        "created_at": notification.created_at,
        "scheduled_for": notification.scheduled_for,
        "expires_at": notification.expires_at,
        "correlation_id": notification.correlation_id,
        "replay_of": notification.replay_of,
        "links": links(notification),
    }


class LinksSerializer(serializers.Serializer[Any]):
    """Links of a notification."""

    self = serializers.CharField()
    status = serializers.CharField()


class AcceptedSerializer(serializers.Serializer[Any]):
    """An accepted notification."""

    id = serializers.UUIDField()
    notification_id = serializers.UUIDField()
    request_id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=[Status.PENDING.value, Status.SCHEDULED.value])
    notification_type = serializers.ChoiceField(choices=CHANNEL_CHOICES)
    user_id = serializers.UUIDField()
    template_code = serializers.CharField()
    template_version = serializers.IntegerField()
    language = serializers.CharField()
    priority = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    scheduled_for = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    correlation_id = serializers.CharField()
    replay_of = serializers.UUIDField(allow_null=True)
    links = LinksSerializer()


class NotificationSerializer(serializers.Serializer[Notification]):
    """The current state of a notification."""

    id = serializers.UUIDField()
    notification_id = serializers.UUIDField(source="id")
    request_id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=STATUS_CHOICES)
    reason = serializers.SerializerMethodField(help_text=REASONS)
    notification_type = serializers.ChoiceField(choices=CHANNEL_CHOICES, source="channel")
    kind = serializers.CharField()
    user_id = serializers.UUIDField()
    template_code = serializers.CharField()
    template_version = serializers.IntegerField()
    language = serializers.CharField()
    reply_to = serializers.CharField(allow_null=True)
    variables = serializers.DictField()
    metadata = serializers.DictField()
    priority = serializers.IntegerField()
    attempts = serializers.IntegerField()
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    scheduled_for = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    correlation_id = serializers.CharField()
    batch_id = serializers.UUIDField(allow_null=True)
    replay_of = serializers.UUIDField(allow_null=True)
    links = serializers.SerializerMethodField()

    def get_reason(self, notification: Notification) -> str | None:
        """Return the reason of the status; null without a reason."""
        return notification.reason or None

    @extend_schema_field(LinksSerializer)
    def get_links(self, notification: Notification) -> dict[str, str]:
        """Return the links."""
        return links(notification)


class TimelineEntrySerializer(serializers.Serializer[Any]):
    """One entry of the timeline."""

    at = serializers.DateTimeField()
    status = serializers.CharField()
    detail = serializers.CharField()
    attempt = serializers.IntegerField(allow_null=True)
    provider = serializers.CharField(allow_null=True)


class StatusSerializer(serializers.Serializer[Any]):
    """The status of a notification and its timeline."""

    component_name = "DeliveryStatus"

    notification_id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=STATUS_CHOICES)
    reason = serializers.CharField(allow_null=True, help_text=REASONS)
    attempts = serializers.IntegerField()
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    updated_at = serializers.DateTimeField()
    timeline = TimelineEntrySerializer(many=True)


class BulkResultSerializer(serializers.Serializer[Any]):
    """The result of one row of a bulk call."""

    index = serializers.IntegerField()
    id = serializers.UUIDField(allow_null=True)
    status = serializers.ChoiceField(choices=["accepted", "duplicate", "rejected"])
    errors = serializers.ListField(child=serializers.DictField())  # type: ignore[assignment] # The name is the API's.


class BulkAnswerSerializer(serializers.Serializer[Any]):
    """The result of a bulk call."""

    component_name = "AcceptedBulk"

    batch_id = serializers.UUIDField()
    accepted = serializers.IntegerField()
    rejected = serializers.IntegerField()
    results = BulkResultSerializer(many=True)
