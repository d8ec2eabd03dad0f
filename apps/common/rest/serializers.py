"""Serializers that take a JSON value as what it is: no coercion, no unknown fields."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework import serializers


class StrictCharField(serializers.CharField):
    """A string; numbers and booleans are not taken for one."""

    default_error_messages: ClassVar[dict[str, Any]] = {"not_a_string": "Expected a string."}

    def to_internal_value(self, data: Any) -> str:
        """Refuse what is not a string."""
        if not isinstance(data, str):
            self.fail("not_a_string")
        return super().to_internal_value(data)


class StrictEmailField(StrictCharField, serializers.EmailField):
    """An e-mail address, given as a string."""


class StrictBooleanField(serializers.BooleanField):
    """``true`` or ``false``; not "yes", 1 or 0."""

    default_error_messages: ClassVar[dict[str, Any]] = {"not_a_boolean": "Expected true or false."}

    def to_internal_value(self, data: Any) -> bool:
        """Refuse what is not a boolean."""
        if not isinstance(data, bool):
            self.fail("not_a_boolean")
        return data


class StrictIntegerField(serializers.IntegerField):
    """A whole number, not its text and not a boolean."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "not_an_integer": "Expected a whole number."
    }

    def to_internal_value(self, data: Any) -> int:
        """Refuse what is not an integer."""
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("not_an_integer")
        return super().to_internal_value(data)


class StrictSerializer(serializers.Serializer[Any]):
    """Base of every request body: a field that it does not know is an error at that field."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "unknown_field": "This field is not known here."
    }

    def to_internal_value(self, data: Any) -> Any:
        """Refuse unknown fields besides what the declared ones find."""
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
