"""The header ``Idempotency-Key``."""

import re
from typing import TypeVar

import msgspec
from django.http import HttpRequest
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from apps.common.rest.problems import invalid
from apps.notifications.intake.requests import REQUEST_ID_MAX_LENGTH, Terms

RequestTerms = TypeVar("RequestTerms", bound=Terms)

QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
ESCAPED = re.compile(r'\\(["\\])')
# For the document: a key as it is, or in quotation marks.
DESCRIBED = (
    rf'^(?: *"(?:[^"\\]|\\["\\]){{1,{REQUEST_ID_MAX_LENGTH}}}" *|.{{1,{REQUEST_ID_MAX_LENGTH}}})$'
)
# With a backslash before each character.
QUOTED_MAX_LENGTH = 2 * REQUEST_ID_MAX_LENGTH + 2

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "pattern": DESCRIBED, "maxLength": QUOTED_MAX_LENGTH},
    OpenApiParameter.HEADER,
    description=(
        "Repeating the call with the same key and body gives the first answer again. For a single "
        "notification it is the same as `request_id`; both given must be equal."
    ),
)


def idempotency_key(request: HttpRequest | Request) -> str | None:
    """Return the key; None if the header is absent.

    Raises:
        Problem: 400 if it is not 1 to 255 printable characters.
    """
    given = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if given is None:
        return None
    key = _unquoted(_decoded(given))
    if not 0 < len(key) <= REQUEST_ID_MAX_LENGTH or not key.isprintable() or key.isspace():
        detail = (
            f"Idempotency-Key takes 1 to {REQUEST_ID_MAX_LENGTH} printable characters that are not "
            "all blank."
        )
        raise invalid("/request_id", "invalid", detail)
    return key


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


def with_idempotency_key(request: HttpRequest | Request, asked: RequestTerms) -> RequestTerms:
    """Use the header ``Idempotency-Key`` as ``request_id``.

    Raises:
        Problem: 400 if it differs from ``request_id`` in the body.
    """
    key = idempotency_key(request)
    if key is None:
        return asked
    if asked.request_id not in {None, key}:
        raise invalid("/request_id", "mismatch", "Idempotency-Key and request_id differ.")
    return msgspec.structs.replace(asked, request_id=key)
