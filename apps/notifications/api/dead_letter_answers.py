"""The request and response serializers of dead letters and their replays, with examples."""

from dataclasses import fields
from datetime import UTC
from typing import Any

from rest_framework import serializers

from apps.common.callers import Kind
from apps.common.rest.serializers import (
    StrictBooleanField,
    StrictCharField,
    StrictIntegerField,
    StrictSerializer,
)
from apps.notifications.api import examples as shown
from apps.notifications.api.answers import CHANNEL_CHOICES, STATUS_CHOICES, TimelineEntrySerializer
from apps.notifications.dead_letters.filters import Filter
from apps.notifications.dead_letters.replay_many import RATE_DEFAULT_PER_SECOND, RATE_MAX_PER_SECOND
from apps.notifications.models import ActionName, DeadLetter, LetterState, ReplayState

PATH = "/api/v1/dead-letters"
STATES = [state.value for state in LetterState]
KINDS = [kind.value for kind in Kind]
NOTE_MAX_LENGTH = 500


class FilterSerializer(StrictSerializer):
    """The filters for dead letters."""

    reason = StrictCharField(max_length=40, required=False)
    channel = serializers.ChoiceField(choices=CHANNEL_CHOICES, required=False)
    provider = StrictCharField(max_length=30, required=False)
    template_code = StrictCharField(max_length=100, required=False)
    since = serializers.DateTimeField(
        required=False, default_timezone=UTC, help_text="Recorded at this time or later."
    )
    until = serializers.DateTimeField(
        required=False, default_timezone=UTC, help_text="Recorded before this time."
    )


class QuerySerializer(FilterSerializer):
    """The query of the list."""

    state = serializers.ChoiceField(
        choices=[*STATES, "all"], default=LetterState.OPEN.value, help_text="By default the open."
    )


class ReplayManySerializer(FilterSerializer):
    """The filter and the rate of a bulk replay. Without a filter: all open dead letters."""

    component_name = "ReplayDeadLetters"

    rate_per_second = StrictIntegerField(
        min_value=1, max_value=RATE_MAX_PER_SECOND, default=RATE_DEFAULT_PER_SECOND
    )
    note = StrictCharField(
        max_length=NOTE_MAX_LENGTH,
        default="",
        allow_blank=True,
        help_text="Why, for the audit trail.",
    )
    dry_run = StrictBooleanField(default=False, help_text="Only count what matches.")


class MayHaveArrivedSerializer(StrictSerializer):
    """The body of a replay of one notification; it may be left out."""

    component_name = "ReplayNotification"

    may_have_arrived = StrictBooleanField(
        default=False,
        help_text="Send it although nobody knows whether the first copy has arrived.",
    )


class ReplayOneSerializer(MayHaveArrivedSerializer):
    """The body of a replay of one dead letter; it may be left out."""

    component_name = "ReplayDeadLetter"

    note = StrictCharField(
        max_length=NOTE_MAX_LENGTH,
        default="",
        allow_blank=True,
        help_text="Why, for the audit trail.",
    )


class DiscardSerializer(StrictSerializer):
    """The body of a discard."""

    reason = StrictCharField(
        max_length=NOTE_MAX_LENGTH, help_text="Why nothing more is to be done about it."
    )


def filter_of(given: dict[str, Any]) -> Filter:
    """Build the filter from validated data."""
    return Filter(**{field.name: given.get(field.name) for field in fields(Filter)})


class DeadLetterSerializer(serializers.Serializer[DeadLetter]):
    """A dead letter in a list: ids, codes and reasons, no personal data."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=STATES)
    reason = serializers.CharField()
    channel = serializers.ChoiceField(choices=["", *CHANNEL_CHOICES])
    kind = serializers.ChoiceField(choices=KINDS)
    provider = serializers.CharField()
    template_code = serializers.CharField()
    notification_id = serializers.UUIDField(allow_null=True)
    message_id = serializers.CharField(allow_null=True)
    recorded_at = serializers.DateTimeField()
    settled_at = serializers.DateTimeField(allow_null=True)
    replayed_as = serializers.UUIDField(allow_null=True)
    may_have_arrived = serializers.BooleanField(
        help_text="Nobody knows whether the mail has arrived: a replay may make a second copy."
    )
    links = serializers.SerializerMethodField()

    def get_links(self, letter: DeadLetter) -> dict[str, str]:
        """Return the links."""
        links = {"self": f"{PATH}/{letter.pk}"}
        if letter.notification_id:
            links["notification"] = f"/api/v1/notifications/{letter.notification_id}"
        if letter.replayed_as:
            links["replayed_as"] = f"/api/v1/notifications/{letter.replayed_as}"
        return links


class ReplayedSerializer(DeadLetterSerializer):
    """A dead letter after its replay."""

    woken = serializers.ListField(
        child=serializers.UUIDField(),
        help_text="The waiting notifications that poison named, which are due now.",
    )


class LineageSerializer(serializers.Serializer[Any]):
    """One notification of a chain of replays."""

    notification_id = serializers.UUIDField()
    replay_of = serializers.UUIDField(allow_null=True)
    status = serializers.ChoiceField(choices=STATUS_CHOICES)
    reason = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()


class ActionSerializer(serializers.Serializer[Any]):
    """One entry of the audit trail."""

    component_name = "AuditEntry"

    at = serializers.DateTimeField()
    action = serializers.ChoiceField(choices=[name.value for name in ActionName])
    by = serializers.CharField()
    note = serializers.CharField()
    replay_id = serializers.UUIDField(allow_null=True)
    detail = serializers.DictField()


class DeadLetterDetailSerializer(DeadLetterSerializer):
    """A dead letter with all details."""

    x_death = serializers.JSONField()
    message = serializers.JSONField()
    timeline = TimelineEntrySerializer(many=True)
    lineage = LineageSerializer(many=True)
    actions = ActionSerializer(many=True)


class RefusalSerializer(serializers.Serializer[Any]):
    """A reason why letters were not replayed, and their number."""

    detail = serializers.CharField()
    count = serializers.IntegerField()


class ReplaySerializer(serializers.Serializer[Any]):
    """A bulk replay and its progress."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=[state.value for state in ReplayState])
    filter = serializers.DictField(child=serializers.CharField())
    rate_per_second = serializers.IntegerField()
    matched = serializers.IntegerField(help_text="How many matched at the start.")
    replayed = serializers.IntegerField()
    refused = serializers.IntegerField()
    refusals = RefusalSerializer(many=True)
    remaining = serializers.IntegerField()
    by = serializers.CharField()
    note = serializers.CharField()
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    links = serializers.DictField(child=serializers.CharField())


class CountSerializer(serializers.Serializer[Any]):
    """The number of dead letters that a replay would include."""

    matched = serializers.IntegerField()


LETTER_ID = "0198f0c4-33cc-7d1e-8a30-7d6e5f4a3b20"
REPLAY_ID = "0198f0c5-44dd-7e2f-9b40-8e7f6a5b4c30"
NEW_ID = "0198f0c5-55ee-7f30-8c50-9f80a7b6c5d4"
LETTER: dict[str, Any] = {
    "id": LETTER_ID,
    "state": "open",
    "reason": "attempts_exhausted",
    "channel": "email",
    "kind": "live",
    "provider": "smtp",
    "template_code": "welcome",
    "notification_id": shown.NOTIFICATION_ID,
    "message_id": None,
    "recorded_at": "2026-11-22T13:00:00Z",
    "settled_at": None,
    "replayed_as": None,
    "may_have_arrived": False,
    "links": {"self": f"{PATH}/{LETTER_ID}", "notification": shown.SELF},
}
REPLAYED: dict[str, Any] = {
    **LETTER,
    "state": "replayed",
    "settled_at": "2026-11-22T14:00:00Z",
    "replayed_as": NEW_ID,
    "links": {**LETTER["links"], "replayed_as": f"/api/v1/notifications/{NEW_ID}"},
    "woken": [],
}
DISCARD: dict[str, Any] = {"reason": "The campaign is over."}
DISCARDED: dict[str, Any] = {
    **LETTER,
    "state": "discarded",
    "settled_at": "2026-11-22T14:00:00Z",
}
REPLAY_ONE: dict[str, Any] = {"note": "The mail server is back."}
REPLAY_MANY: dict[str, Any] = {
    "reason": "attempts_exhausted",
    "channel": "email",
    "since": "2026-11-22T12:00:00Z",
    "rate_per_second": 50,
    "note": "The mail server is back.",
    "dry_run": False,
}
REPLAY: dict[str, Any] = {
    "id": REPLAY_ID,
    "state": "running",
    "filter": {
        "reason": "attempts_exhausted",
        "channel": "email",
        "since": "2026-11-22T12:00:00+00:00",
    },
    "rate_per_second": 50,
    "matched": 1200,
    "replayed": 300,
    "refused": 2,
    "refusals": [{"detail": "The user no longer exists.", "count": 2}],
    "remaining": 898,
    "by": "operations-desk",
    "note": "The mail server is back.",
    "created_at": "2026-11-22T14:00:00Z",
    "ended_at": None,
    "links": {
        "self": f"{PATH}/replays/{REPLAY_ID}",
        "cancel": f"{PATH}/replays/{REPLAY_ID}/cancel",
    },
}
DETAIL: dict[str, Any] = {
    **LETTER,
    "x_death": [],
    "message": {},
    "timeline": shown.STATUS["timeline"],
    "lineage": [
        {
            "notification_id": shown.NOTIFICATION_ID,
            "replay_of": None,
            "status": "failed",
            "reason": "attempts_exhausted",
            "created_at": "2026-11-22T12:00:00Z",
        }
    ],
    "actions": [
        {
            "at": "2026-11-22T13:30:00Z",
            "action": "replay_refused",
            "by": "operations-desk",
            "note": "The user no longer exists.",
            "replay_id": REPLAY_ID,
            "detail": {},
        }
    ],
}
