"""The URL paths of the webhooks, below /api/v1/."""

from django.urls import path

from apps.common.rest.routes import either_slash
from apps.webhooks.api.deliveries import DeliveriesView, RedeliverView, RedeliverWindowView
from apps.webhooks.api.views import RotateSecretView, TestWebhookView, WebhooksView, WebhookView

WEBHOOK = "webhooks/<uuid:webhook_id>"

urlpatterns = either_slash(
    [
        path("webhooks/", WebhooksView.as_view(), name="webhooks"),
        path(WEBHOOK, WebhookView.as_view(), name="webhook"),
        path(f"{WEBHOOK}/rotate-secret", RotateSecretView.as_view(), name="webhook-rotate-secret"),
        path(f"{WEBHOOK}/test", TestWebhookView.as_view(), name="webhook-test"),
        path(f"{WEBHOOK}/deliveries/", DeliveriesView.as_view(), name="webhook-deliveries"),
        path(f"{WEBHOOK}/redeliver", RedeliverWindowView.as_view(), name="webhook-redeliver"),
        path(
            f"{WEBHOOK}/deliveries/<uuid:delivery_id>/redeliver",
            RedeliverView.as_view(),
            name="webhook-delivery-redeliver",
        ),
    ]
)
