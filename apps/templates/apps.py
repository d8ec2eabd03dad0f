"""The Django application of templates."""

from django.apps import AppConfig


class TemplatesConfig(AppConfig):
    """Registers the app; its label avoids a conflict with other uses of the name templates."""

    name = "apps.templates"
    label = "message_templates"
    verbose_name = "Message templates"
