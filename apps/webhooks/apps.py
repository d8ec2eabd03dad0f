"""The Django application of the webhooks."""

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """Registers the models under the label ``webhooks``."""

    name = "apps.webhooks"
    label = "webhooks"
