"""Templates and their immutable versions; one version per language is published."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from apps.common.channels import Channel
from apps.common.ids import new_id
from apps.common.languages import MAX_LENGTH as LANGUAGE_MAX_LENGTH
from apps.templates.engine.releases import CURRENT, FIRST

CODE_MAX_LENGTH = 100
NAME_MAX_LENGTH = 200
CATEGORY_MAX_LENGTH = 100
# Messages without a category need one, too, so that a recipient can opt out of it.
DEFAULT_CATEGORY = "general"
CHANNEL_CHOICES = [(channel.value, channel.name.title()) for channel in Channel]


class Template(models.Model):
    """One message template; clients refer to it by its code."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    code = models.CharField(max_length=CODE_MAX_LENGTH, unique=True)
    channel = models.CharField(max_length=10, choices=CHANNEL_CHOICES)
    name = models.CharField(max_length=NAME_MAX_LENGTH)
    default_language = models.CharField(max_length=LANGUAGE_MAX_LENGTH)
    category = models.CharField(max_length=CATEGORY_MAX_LENGTH, default=DEFAULT_CATEGORY)
    critical = models.BooleanField(
        default=False, help_text="Passes opt-outs and quiet hours, never suppression."
    )
    sensitive = models.BooleanField(
        default=False, help_text="Its variables and content are not kept after sending."
    )
    # What previews are filled in with. The database's defaults are for the inserts of an earlier
    # release during an upgrade.
    sample = models.JSONField(default=dict, db_default={}, blank=True)
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "templates_template"
        ordering: ClassVar = ["code"]

    def __str__(self) -> str:
        """Return the code."""
        return self.code


class TemplateVersion(models.Model):
    """The immutable content of a template in one language; only its publication changes.

    Attributes:
        content: The fields of the channel as they were given; MJML also has its compiled HTML.
        required: The variables that a notification must have, as dotted paths.
        used: The names of all variables in the content.
        checked_at_intake: The fields that are rendered when a notification is requested; null for
            a version of an earlier release, for which none is.
        engine: The number of the engine that it was saved for, whose rules it follows for good.
        published: Whether it is the one that is sent.
        draft: Whether it was never published.
        created_by: The author: a client, ``staff:<user id>``, or ``import`` for a file import.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    template = models.ForeignKey(Template, on_delete=models.CASCADE, related_name="versions")
    language = models.CharField(max_length=LANGUAGE_MAX_LENGTH)
    number = models.PositiveIntegerField()
    content = models.JSONField()
    required = models.JSONField(default=list)
    used = models.JSONField(default=list)
    checked_at_intake = models.JSONField(null=True)
    # The database's default is for the inserts of an earlier release during an upgrade.
    engine = models.PositiveSmallIntegerField(default=CURRENT, db_default=FIRST)
    published = models.BooleanField(default=False)
    draft = models.BooleanField(default=False, db_default=False)
    created_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "templates_version"
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["template", "language", "number"], name="templates_version_number"
            ),
            # The one version of each language that is sent; its reader is rendering.pin.
            models.UniqueConstraint(
                fields=["template", "language"],
                condition=Q(published=True),
                name="templates_one_published",
            ),
        ]

    def __str__(self) -> str:
        """Return language and number; the template's code would need a query."""
        return f"{self.language} v{self.number}"

    @property
    def status(self) -> str:
        """Return ``draft`` or ``published``; the latter also for one that was replaced since."""
        return "draft" if self.draft else "published"
