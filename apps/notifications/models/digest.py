"""A column for SHA-256 digests."""

from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    _Field = models.Field[bytes, bytes]
    _OptionalField = models.Field[bytes | None, bytes | None]
else:
    _Field = _OptionalField = models.Field


class DigestField(_Field):
    """Bytes, compared as a whole.

    Not Django's BinaryField: that one asks for a placeholder by value, which keeps Django from
    inserting many rows as one array a column. With it 4,050 notifications were inserted in a
    second, without it 11,350.
    """

    def get_internal_type(self) -> str:
        """Name the column type that Django knows."""
        return "BinaryField"


class OptionalDigestField(_OptionalField):
    """A ``DigestField`` that may be null; a class of its own for the type checker alone."""

    get_internal_type = DigestField.get_internal_type
