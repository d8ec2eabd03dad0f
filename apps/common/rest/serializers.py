"""Strict serializers: no type coercion and no unknown fields."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework import serializers


class StrictCharField(serializers.CharField):
    """A string; numbers and booleans are refused."""

    default_error_messages: ClassVar[dict[str, Any]] = {"not_a_string": "Expected a string."}

    def to_internal_value(self, data: Any) -> str:
        """Return the string; refuse other types."""
        if not isinstance(data, str):
            self.fail("not_a_string")
        # As the document says: blanks that are removed below count as well.
        if self.max_length is not None and len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        return super().to_internal_value(data)


class StrictEmailField(StrictCharField, serializers.EmailField):
    """An e-mail address, given as a string."""


class StrictBooleanField(serializers.BooleanField):
    """``true`` or ``false``; not "yes", 1 or 0."""

    default_error_messages: ClassVar[dict[str, Any]] = {"not_a_boolean": "Expected true or false."}

    def to_internal_value(self, data: Any) -> bool:
        """Return the boolean; refuse other types."""
        if not isinstance(data, bool):
            self.fail("not_a_boolean")
        return data


class StrictIntegerField(serializers.IntegerField):
    """An integer; strings and booleans are refused."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "not_an_integer": "Expected a whole number."
    }

    def to_internal_value(self, data: Any) -> int:
        """Return the integer; refuse other types."""
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("not_an_integer")
        return super().to_internal_value(data)


class StrictSerializer(serializers.Serializer[Any]):
    """Base class of all request bodies; an unknown field is an error at that field."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "unknown_field": "This field is not known here."
    }

    def to_internal_value(self, data: Any) -> Any:
        """Refuse unknown fields, then validate the declared ones."""
        if isinstance(data, Mapping):
            unknown = [name for name in data if name not in self.fields]
            if unknown:
                message = str(self.error_messages["unknown_field"])
                detail = {
                    str(name): [serializers.ErrorDetail(message, code="unknown_field")]
                    for name in unknown
                }
                raise serializers.ValidationError(detail)
        return super().to_internal_value(data)
