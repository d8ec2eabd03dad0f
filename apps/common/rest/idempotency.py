"""The header ``Idempotency-Key`` as it is written."""

import re
from dataclasses import dataclass

from django.http import HttpRequest
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from apps.common.rest.problems import invalid

KEY_MAX_LENGTH = 255
QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
ESCAPED = re.compile(r'\\(["\\])')
# For the document: a key as it is, or in quotation marks.
DESCRIBED = rf'^(?: *"(?:[^"\\]|\\["\\]){{1,{KEY_MAX_LENGTH}}}" *|.{{1,{KEY_MAX_LENGTH}}})$'
# With a backslash before each character.
QUOTED_MAX_LENGTH = 2 * KEY_MAX_LENGTH + 2

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "pattern": DESCRIBED, "maxLength": QUOTED_MAX_LENGTH},
    OpenApiParameter.HEADER,
    description=(
        "Repeating the call with the same key and body gives the first answer again. For a single "
        "notification it is the same as `request_id`; both given must be equal."
    ),
)


@dataclass(frozen=True, kw_only=True)
class GivenKey:
    """A key.

    Attributes:
        key: The key itself.
        written: How it is written in the header, which may have quotation marks around it.
    """

    key: str
    written: str


def given_key(request: HttpRequest | Request) -> GivenKey | None:
    """Return the key of a call; None if the header is absent.

    Raises:
        Problem: 400 if it is not 1 to 255 printable characters.
    """
    given = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if given is None:
        return None
    written = _decoded(given)
    key = _unquoted(written)
    if not 0 < len(key) <= KEY_MAX_LENGTH or not key.isprintable() or key.isspace():
        detail = (
            f"Idempotency-Key takes 1 to {KEY_MAX_LENGTH} printable characters that are not "
            "all blank."
        )
        raise invalid("/request_id", "invalid", detail)
    return GivenKey(key=key, written=written)


def _decoded(given: str) -> str:
    """Decode a header as UTF-8, like the body; WSGI has decoded it as Latin-1 (PEP 3333)."""
    try:
        return given.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return given


def _unquoted(text: str) -> str:
    """Return the key without the quotation marks that the IETF's draft of this header has.

    The draft is draft-ietf-httpapi-idempotency-key-header; its strings are those of RFC 9651.
    """
    found = QUOTED.fullmatch(text.strip(" "))
    return text if found is None else ESCAPED.sub(r"\1", found[1])
