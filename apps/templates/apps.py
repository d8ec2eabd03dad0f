"""The Django application of templates."""

from django.apps import AppConfig


class TemplatesConfig(AppConfig):
    """Registers the app; its label keeps clear of the many other things called templates."""

    name = "apps.templates"
    label = "message_templates"
    verbose_name = "Message templates"
