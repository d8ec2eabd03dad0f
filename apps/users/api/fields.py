"""Fields of the accounts' serializers: each takes one kind of text and says what is wrong."""

import re
import unicodedata
from datetime import time
from typing import Any

from apps.common import languages
from apps.common.rest.serializers import StrictCharField
from apps.users import addresses, timezones
from apps.users.models.device import TOKEN_MAX_LENGTH

CLOCK = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
TOKEN = re.compile(r"[\x21-\x7e]+")
# Control characters and the separators of lines and paragraphs.
LINE_BREAKING = {"Cc", "Zl", "Zp"}


class LineField(StrictCharField):
    """One line of text: it may end up in a mail's header."""

    default_error_messages = {"line_break": "Line breaks and control characters are not allowed."}

    def to_internal_value(self, data: Any) -> str:
        """Refuse more than one line."""
        value = super().to_internal_value(data)
        if any(unicodedata.category(character) in LINE_BREAKING for character in value):
            self.fail("line_break")
        return value


class AddressField(StrictCharField):
    """An e-mail address, kept as it is written."""

    default_error_messages = {"invalid_email": "{problem}"}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=addresses.MAX_LENGTH, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Refuse what cannot be an address."""
        value = super().to_internal_value(data)
        problem = addresses.problem_with(value)
        if problem is not None:
            self.fail("invalid_email", problem=problem)
        return value


class LocaleField(StrictCharField):
    """A BCP 47 language tag, in its canonical spelling."""

    default_error_messages = {
        "invalid_locale": "Expected a language tag (BCP 47) such as en or pt-BR."
    }

    def to_internal_value(self, data: Any) -> str:
        """Refuse a malformed tag."""
        tag = languages.canonical_tag(super().to_internal_value(data))
        if tag is None:
            self.fail("invalid_locale")
        return tag


class TimezoneField(StrictCharField):
    """A zone of the IANA database."""

    default_error_messages = {
        "invalid_timezone": "Expected a time zone (IANA) such as Africa/Lagos."
    }

    def to_internal_value(self, data: Any) -> str:
        """Refuse an unknown zone."""
        name = super().to_internal_value(data)
        if not timezones.is_timezone(name):
            self.fail("invalid_timezone")
        return name


class PushTokenField(StrictCharField):
    """A provider's registration token."""

    default_error_messages = {
        "invalid_token": "Expected printable ASCII characters without spaces."
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=TOKEN_MAX_LENGTH, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Refuse what no provider issues."""
        value = super().to_internal_value(data)
        if not TOKEN.fullmatch(value):
            self.fail("invalid_token")
        return value


class ClockField(StrictCharField):
    """A time of day as ``HH:MM``."""

    default_error_messages = {"invalid_time": "Expected a time of day such as 22:00."}

    # The base class says that the value is a text; here the text is its written form.
    def to_internal_value(self, data: Any) -> time:  # type: ignore[override]
        """Refuse what is no time of day."""
        text = super().to_internal_value(data)
        if not CLOCK.fullmatch(text):
            self.fail("invalid_time")
        hour, minute = text.split(":")
        return time(int(hour), int(minute))

    def to_representation(self, value: Any) -> str:
        """Print hours and minutes."""
        return f"{value:%H:%M}"
