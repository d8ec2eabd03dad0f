"""The URL paths of the pipeline, below /api/v1/."""

from django.urls import path

from apps.common.rest.routes import either_slash
from apps.notifications.api.app_receipts import AppReceiptView
from apps.notifications.api.batches import (
    BatchErrorsView,
    BatchesView,
    BatchView,
    CancelBatchView,
    PauseBatchView,
    ResumeBatchView,
)
from apps.notifications.api.bounces import BouncesView
from apps.notifications.api.breakers import ProviderBreakerView
from apps.notifications.api.broadcast import BroadcastView
from apps.notifications.api.bulk import BulkView
from apps.notifications.api.dead_letter_replays import (
    CancelDeadLetterReplayView,
    DeadLetterReplaysView,
    DeadLetterReplayView,
    ReplayDeadLettersView,
)
from apps.notifications.api.dead_letters import (
    DeadLettersView,
    DeadLetterView,
    DiscardDeadLetterView,
    ReplayDeadLetterView,
)
from apps.notifications.api.notifications import (
    CancelView,
    NotificationsView,
    NotificationView,
    ReplayView,
    StatusView,
)
from apps.notifications.api.receipts import EmailReceiptView, PushReceiptView
from apps.notifications.api.sendgrid_events import SendGridEventsView
from apps.notifications.api.services import ServicesView
from apps.notifications.api.statistics import StatisticsView
from apps.notifications.api.template_tools import PreviewView, PublishView, TestSendView
from apps.notifications.api.upload import UploadView
from apps.notifications.api.user_erasure import ErasableUserView

urlpatterns = either_slash(
    [
        path("notifications/", NotificationsView.as_view(), name="notifications"),
        path("notifications/bulk", BulkView.as_view(), name="bulk"),
        path("notifications/broadcast", BroadcastView.as_view(), name="broadcast"),
        path("batches/", BatchesView.as_view(), name="batches"),
        path("batches/upload", UploadView.as_view(), name="batch-upload"),
        path("batches/<uuid:batch_id>", BatchView.as_view(), name="batch"),
        path("batches/<uuid:batch_id>/errors", BatchErrorsView.as_view(), name="batch-errors"),
        path("batches/<uuid:batch_id>/pause", PauseBatchView.as_view(), name="batch-pause"),
        path("batches/<uuid:batch_id>/resume", ResumeBatchView.as_view(), name="batch-resume"),
        path("batches/<uuid:batch_id>/cancel", CancelBatchView.as_view(), name="batch-cancel"),
        path(
            "notifications/<uuid:notification_id>", NotificationView.as_view(), name="notification"
        ),
        path(
            "notifications/<uuid:notification_id>/status",
            StatusView.as_view(),
            name="notification-status",
        ),
        path(
            "notifications/<uuid:notification_id>/cancel",
            CancelView.as_view(),
            name="notification-cancel",
        ),
        path(
            "notifications/<uuid:notification_id>/replay",
            ReplayView.as_view(),
            name="notification-replay",
        ),
        path("dead-letters/", DeadLettersView.as_view(), name="dead-letters"),
        path("dead-letters/replay", ReplayDeadLettersView.as_view(), name="dead-letters-replay"),
        path("dead-letters/replays/", DeadLetterReplaysView.as_view(), name="dead-letter-replays"),
        path(
            "dead-letters/replays/<uuid:replay_id>",
            DeadLetterReplayView.as_view(),
            name="dead-letter-replay-progress",
        ),
        path(
            "dead-letters/replays/<uuid:replay_id>/cancel",
            CancelDeadLetterReplayView.as_view(),
            name="dead-letter-replay-cancel",
        ),
        path("dead-letters/<uuid:letter_id>", DeadLetterView.as_view(), name="dead-letter"),
        path(
            "dead-letters/<uuid:letter_id>/replay",
            ReplayDeadLetterView.as_view(),
            name="dead-letter-replay",
        ),
        path(
            "dead-letters/<uuid:letter_id>/discard",
            DiscardDeadLetterView.as_view(),
            name="dead-letter-discard",
        ),
        path("receipts/email", EmailReceiptView.as_view(), name="email-receipts"),
        path("receipts/sendgrid", SendGridEventsView.as_view(), name="sendgrid-events"),
        path("receipts/dsn", BouncesView.as_view(), name="bounces"),
        path("receipts/app", AppReceiptView.as_view(), name="app-receipts"),
        path("receipts/push", PushReceiptView.as_view(), name="push-receipts"),
        path("providers/<slug:name>/breaker", ProviderBreakerView.as_view(), name="breaker"),
        path("services/", ServicesView.as_view(), name="services"),
        path("statistics/", StatisticsView.as_view(), name="statistics"),
        path("users/<uuid:user_id>", ErasableUserView.as_view(), name="user"),
        path(
            "templates/<template_code:template_code>/preview", PreviewView.as_view(), name="preview"
        ),
        path(
            "templates/<template_code:template_code>/test-send",
            TestSendView.as_view(),
            name="test-send",
        ),
        path(
            "templates/<template_code:template_code>/versions/<template_version:number>/publish",
            PublishView.as_view(),
            name="template-publish",
        ),
    ]
)
