"""Model fields for SHA-256 digests."""

from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    _Field = models.Field[bytes, bytes]
    _OptionalField = models.Field[bytes | None, bytes | None]
else:
    _Field = _OptionalField = models.Field


class DigestField(_Field):
    """A field for bytes that are only compared as a whole.

    Django's BinaryField requires a placeholder for each value, which prevents Django from inserting
    many rows with one array per column. It inserted 4,050 notifications per second, and this field
    11,350.
    """

    def get_internal_type(self) -> str:
        """Return Django's name of the column type."""
        return "BinaryField"


class OptionalDigestField(_OptionalField):
    """A nullable ``DigestField``. It is a separate class only for the type checker."""

    get_internal_type = DigestField.get_internal_type
