"""Serializers for the requests and responses of the template endpoints."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.common import languages as language_tags
from apps.common.rest.serializers import (
    StrictBooleanField,
    StrictCharField,
    StrictIntegerField,
    StrictSerializer,
)
from apps.templates.api.converters import CODE_PATTERN
from apps.templates.content import CONTENT_FIELDS
from apps.templates.models import (
    CATEGORY_MAX_LENGTH,
    CHANNEL_CHOICES,
    DEFAULT_CATEGORY,
    NAME_MAX_LENGTH,
)

CATEGORY_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z"


@extend_schema_field(
    {
        "type": "string",
        "minLength": 1,
        "maxLength": language_tags.MAX_LENGTH,
        "pattern": language_tags.CONTENT_PATTERN,
    }
)
class LanguageField(StrictCharField):
    """A language tag, stored in its canonical spelling."""

    def to_internal_value(self, data: Any) -> str:
        """Return the canonical tag.

        Raises:
            ValidationError: The text is not a language tag.
        """
        try:
            return language_tags.canonical(super().to_internal_value(data))
        except ValueError as error:
            raise serializers.ValidationError(str(error), code="invalid_language") from None


class ChoiceField(serializers.ChoiceField):
    """One of several fixed values, given as a string."""

    def to_internal_value(self, data: Any) -> str:
        """Return the value; refuse other types, such as a number or a list."""
        if not isinstance(data, str):
            self.fail("invalid_choice", input=data)
        return str(super().to_internal_value(data))


class SourceField(StrictCharField):
    """A Liquid source. Its outer white space is kept. The rules depend on the channel."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            required=False, allow_null=True, allow_blank=True, trim_whitespace=False, **kwargs
        )


class DataField(serializers.DictField):
    """An object that maps strings to Liquid sources."""

    child = SourceField()


class ContentSerializer(StrictSerializer):
    """The content fields of both channels; which ones are allowed is checked with the channel."""

    subject = SourceField(help_text="E-mail: one line.")
    title = SourceField(help_text="Push: one line.")
    body = SourceField(
        help_text="E-mail: the plain text; if there is HTML, it may be left out and is made from "
        "it. Push: the text."
    )
    html = SourceField(
        help_text="E-mail: HTML or MJML. Values are escaped. The rules of its style sheets are put "
        "into its elements."
    )
    image = SourceField(help_text="Push: an http(s) address.")
    link = SourceField(
        help_text="Push: the address that a tap opens, https or with an app's own scheme."
    )
    data = DataField(  # type: ignore[assignment] # The metaclass removes fields from the class.
        required=False, allow_null=True, help_text="Push: further strings."
    )
    from_name = SourceField(help_text="E-mail: the name of the sender, one line.")
    reply_to = StrictCharField(
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text="E-mail: the address to which answers go.",
    )
    sound = StrictCharField(
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text='Push: a sound of the app; by default "default", "none" for none.',
    )
    badge = StrictIntegerField(
        required=False, allow_null=True, help_text="Push: the number at the app's icon."
    )
    channel_id = StrictCharField(
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text="Push: the notification channel of Android.",
    )
    silent = StrictBooleanField(
        required=False,
        allow_null=True,
        help_text="Push: show nothing, only give the data to the app. Needs no title and body.",
    )
    ttl_seconds = StrictIntegerField(
        required=False,
        allow_null=True,
        help_text="Push: how long it is worth being delivered, at most four weeks.",
    )
    collapse_id = SourceField(
        help_text="Push: a later message with the same id replaces this one; at most 64 bytes."
    )

    def content_of(self) -> dict[str, Any]:
        """Return the content fields that were given."""
        given: Mapping[str, Any] = self.validated_data
        return {name: given[name] for name in CONTENT_FIELDS if name in given}


def _category(**kwargs: Any) -> serializers.RegexField:
    return CategoryField(CATEGORY_PATTERN, max_length=CATEGORY_MAX_LENGTH, **kwargs)


class CategoryField(serializers.RegexField):
    """A category name that users can opt out of."""

    def to_internal_value(self, data: Any) -> str:
        """Return the text; refuse other types."""
        if not isinstance(data, str):
            raise serializers.ValidationError("Expected a string.", code="not_a_string")
        return str(super().to_internal_value(data))


class CodeField(CategoryField):
    """A template code that can be used in a URL path."""


class NewTemplateSerializer(ContentSerializer):
    """The body of ``POST /templates/``."""

    code = CodeField(rf"^{CODE_PATTERN}\Z", max_length=100)
    notification_type = ChoiceField(choices=CHANNEL_CHOICES)
    name = StrictCharField(max_length=NAME_MAX_LENGTH)
    language = LanguageField(default="en")
    category = _category(default=DEFAULT_CATEGORY)
    critical = StrictBooleanField(default=False)
    sensitive = StrictBooleanField(default=False)


class NewVersionSerializer(ContentSerializer):
    """The body of ``PUT /templates/{template_code}``."""

    code = CodeField(
        rf"^{CODE_PATTERN}\Z", max_length=100, required=False, help_text="As in the path."
    )
    notification_type = ChoiceField(
        choices=CHANNEL_CHOICES, required=False, help_text="The template's; it cannot change."
    )
    name = StrictCharField(max_length=NAME_MAX_LENGTH, required=False)
    language = LanguageField(required=False)
    category = _category(required=False)
    critical = StrictBooleanField(required=False)
    sensitive = StrictBooleanField(required=False)


class NewDraftSerializer(ContentSerializer):
    """The body of ``POST …/versions/``."""

    # Which fields are required depends on the channel of the template.
    body_required = True

    language = LanguageField(required=False, help_text="By default the template's default.")


class PublishSerializer(StrictSerializer):
    """The body of ``POST …/publish``."""

    language = LanguageField(required=False, help_text="By default the template's default.")


class PreviewSerializer(StrictSerializer):
    """The body of ``POST …/preview``, without a recipient."""

    variables = serializers.DictField(default=dict)
    language = LanguageField(required=False, allow_null=True)


class VersionAnswer(serializers.Serializer[Any]):
    """One version, in the list of versions."""

    component_name = "TemplateVersion"

    id = serializers.UUIDField()
    version = serializers.IntegerField()
    language = serializers.CharField()
    published = serializers.BooleanField()
    status = serializers.ChoiceField(
        choices=["draft", "published"],
        help_text="Whether it was ever published. Of each language one version is sent.",
    )
    engine = serializers.IntegerField(
        help_text="The rules that it follows: those of the time when it was saved."
    )
    subject = serializers.CharField(required=False)
    title = serializers.CharField(required=False)
    body = serializers.CharField(
        allow_null=True, help_text="Null for a text that is made from the HTML: see the preview."
    )
    html = serializers.CharField(required=False, allow_null=True)
    image = serializers.CharField(required=False, allow_null=True)
    link = serializers.CharField(required=False, allow_null=True)
    data = serializers.DictField(  # type: ignore[assignment] # As above.
        child=serializers.CharField(), required=False
    )
    from_name = serializers.CharField(required=False)
    reply_to = serializers.CharField(required=False)
    sound = serializers.CharField(required=False)
    badge = serializers.IntegerField(required=False)
    channel_id = serializers.CharField(required=False)
    silent = serializers.BooleanField(required=False)
    ttl_seconds = serializers.IntegerField(required=False)
    collapse_id = serializers.CharField(required=False)
    variables = serializers.ListField(
        child=serializers.CharField(), help_text="What a notification must bring."
    )
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()


class TemplateAnswer(VersionAnswer):
    """A template with one of its versions."""

    code = serializers.CharField()
    notification_type = serializers.ChoiceField(choices=CHANNEL_CHOICES)
    name = serializers.CharField()
    default_language = serializers.CharField()
    languages = serializers.ListField(child=serializers.CharField())
    category = serializers.CharField()
    critical = serializers.BooleanField()
    sensitive = serializers.BooleanField()
    updated_at = serializers.DateTimeField()


class NewlyRequiredSerializer(serializers.Serializer[Any]):
    """A variable that callers have to bring from now on."""

    variable = serializers.CharField(help_text="A dotted path.")
    missing = serializers.IntegerField(help_text="In how many of the latest calls it was missing.")


class PublicationChangesSerializer(serializers.Serializer[Any]):
    """What changes for callers."""

    newly_required = NewlyRequiredSerializer(many=True)
    no_longer_required = serializers.ListField(child=serializers.CharField())
    calls = serializers.IntegerField(
        help_text="The calls of the last week that were looked at, at most 10,000."
    )


class PublishedTemplateSerializer(TemplateAnswer):
    """A template with the version that is sent from now on."""

    changes = PublicationChangesSerializer()


class PreviewAnswer(serializers.Serializer[Any]):
    """The content that would be sent."""

    template_code = serializers.CharField()
    notification_type = serializers.ChoiceField(choices=CHANNEL_CHOICES)
    language = serializers.CharField()
    version = serializers.IntegerField()
    subject = serializers.CharField(required=False)
    title = serializers.CharField(required=False)
    body = serializers.CharField()
    html = serializers.CharField(required=False, allow_null=True)
    image = serializers.CharField(required=False, allow_null=True)
    link = serializers.CharField(required=False, allow_null=True)
    data = serializers.DictField(  # type: ignore[assignment] # As above.
        child=serializers.CharField(), required=False
    )
    from_name = serializers.CharField(required=False)
    reply_to = serializers.CharField(required=False)
    sound = serializers.CharField(required=False)
    badge = serializers.IntegerField(required=False, allow_null=True)
    channel_id = serializers.CharField(required=False)
    silent = serializers.BooleanField(required=False)
    ttl_seconds = serializers.IntegerField(required=False, allow_null=True)
    collapse_id = serializers.CharField(required=False)
    missing = serializers.ListField(child=serializers.CharField())
    unused = serializers.ListField(child=serializers.CharField())
    empty = serializers.ListField(
        child=serializers.CharField(),
        help_text="Texts that must not be empty and are, as a subject.",
    )
    refused_links = serializers.ListField(
        child=serializers.CharField(),
        help_text="Links whose scheme is not one of LINK_SCHEMES; they lead nowhere.",
    )
    replaced = serializers.ListField(
        child=serializers.CharField(),
        help_text="Given variables that replace an object of every template, as recipient.",
    )
