"""Serializer fields of accounts; each validates one type of text."""

import re
import unicodedata
from datetime import time
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.common import languages
from apps.common.rest.serializers import StrictCharField
from apps.users import addresses, timezones
from apps.users.models.device import TOKEN_MAX_LENGTH, Platform

# With one or two digits of the hour, and with seconds that are zero, as HTML and Java write it.
CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::00(?:\.0+)?)?", re.ASCII)
TOKEN = re.compile(r"[\x21-\x7e]+")
# Unicode categories of control characters, line separators and paragraph separators.
LINE_BREAKING = {"Cc", "Zl", "Zp"}
# The patterns of the document; the outer white space is removed before a text is read.
DESCRIBED_CLOCK = rf"^\s*(?:{CLOCK.pattern})\s*$"
DESCRIBED_TOKEN = rf"^{languages.BLANKS}{TOKEN.pattern}{languages.BLANKS}$"


# The same for the OpenAPI document, with one character that is not blank.
IN_ONE_LINE = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]*"
ONE_LINE = rf"^{IN_ONE_LINE}[^\s\x00-\x1f\x7f-\x9f]{IN_ONE_LINE}$"


class LineField(StrictCharField):
    """One line of text, because it may be used in a mail header."""

    default_error_messages = {"line_break": "Line breaks and control characters are not allowed."}
    described: ClassVar = {"pattern": ONE_LINE}

    def to_internal_value(self, data: Any) -> str:
        """Return the text; refuse line breaks and control characters."""
        value = super().to_internal_value(data)
        if any(unicodedata.category(character) in LINE_BREAKING for character in value):
            self.fail("line_break")
        return value


@extend_schema_field({"type": "string", "format": "email", "maxLength": addresses.MAX_LENGTH})
class AddressField(StrictCharField):
    """An e-mail address, stored as entered."""

    default_error_messages = {"invalid_email": "{problem}"}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=addresses.MAX_LENGTH, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Return the address; refuse a malformed one."""
        value = super().to_internal_value(data)
        problem = addresses.problem_with(value)
        if problem is not None:
            self.fail("invalid_email", problem=problem)
        return value


@extend_schema_field(
    {
        "type": "string",
        "minLength": 1,
        "maxLength": languages.MAX_LENGTH,
        "pattern": languages.TAG_PATTERN,
    }
)
class LocaleField(StrictCharField):
    """A BCP 47 language tag, in its canonical spelling."""

    default_error_messages = {
        "invalid_locale": "Expected a language tag (BCP 47) such as en or pt-BR."
    }

    def to_internal_value(self, data: Any) -> str:
        """Return the canonical tag; refuse a malformed one."""
        tag = languages.canonical_tag(super().to_internal_value(data))
        if tag is None:
            self.fail("invalid_locale")
        return tag


class TimezoneField(StrictCharField):
    """A time zone of the IANA database."""

    default_error_messages = {
        "invalid_timezone": "Expected a time zone (IANA) such as Africa/Lagos."
    }

    def to_internal_value(self, data: Any) -> str:
        """Return the name; refuse an unknown zone."""
        name = super().to_internal_value(data)
        if not timezones.is_timezone(name):
            self.fail("invalid_timezone")
        return name


@extend_schema_field(
    {"type": "string", "minLength": 1, "maxLength": TOKEN_MAX_LENGTH, "pattern": DESCRIBED_TOKEN}
)
class PushTokenField(StrictCharField):
    """A provider's registration token."""

    default_error_messages = {
        "invalid_token": "Expected printable ASCII characters without spaces."
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=TOKEN_MAX_LENGTH, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Return the token; refuse characters that no provider uses."""
        value = super().to_internal_value(data)
        if not TOKEN.fullmatch(value):
            self.fail("invalid_token")
        return value


class PlatformField(serializers.ChoiceField):
    """A device's platform, in any spelling of upper and lower case: ``iOS``, ``ANDROID``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=Platform.choices, **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        """Return the platform; refuse another text."""
        return super().to_internal_value(data.strip().lower() if isinstance(data, str) else data)


@extend_schema_field({"type": "string", "pattern": DESCRIBED_CLOCK, "example": "22:00"})
class ClockField(StrictCharField):
    """A time of day as ``HH:MM``; ``9:00`` and ``22:00:00`` are read as well."""

    default_error_messages = {"invalid_time": "Expected a time of day such as 22:00."}

    # The base class declares a string as the internal value; here it is a time.
    def to_internal_value(self, data: Any) -> time:  # type: ignore[override]
        """Return the time; refuse other text."""
        text = super().to_internal_value(data)
        found = CLOCK.fullmatch(text)
        if found is None:
            self.fail("invalid_time")
        hour, minute = found.groups()
        return time(int(hour), int(minute))

    def to_representation(self, value: Any) -> str:
        """Return the time as ``HH:MM``."""
        return f"{value:%H:%M}"
