"""The header ``Idempotency-Key``."""

import re
from typing import Any, TypeVar

import msgspec
from django.db.models import QuerySet
from django.http import HttpRequest
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from apps.common.callers import Caller
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


def idempotency_key(
    request: HttpRequest | Request, *, rows: QuerySet[Any], caller: Caller
) -> str | None:
    """Return the key; None if the header is absent.

    Earlier releases stored the quotation marks as a part of the key. A call that repeats one
    of theirs finds its first answer under that key.

    Args:
        request: The request.
        rows: The notifications or the batches, of which one may have the key.
        caller: Who repeats the call; each client has its own keys.

    Raises:
        Problem: 400 if it is not 1 to 255 printable characters.
    """
    given = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if given is None:
        return None
    written = _decoded(given)
    key = _unquoted(written)
    if not 0 < len(key) <= REQUEST_ID_MAX_LENGTH or not key.isprintable() or key.isspace():
        detail = (
            f"Idempotency-Key takes 1 to {REQUEST_ID_MAX_LENGTH} printable characters that are not "
            "all blank."
        )
        raise invalid("/request_id", "invalid", detail)
    if key != written and _known(written, rows=rows, caller=caller):
        return written
    return key


def _known(key: str, *, rows: QuerySet[Any], caller: Caller) -> bool:
    client = caller.client or ""
    return rows.filter(client=client, kind=caller.kind, request_id=key).exists()


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


def with_idempotency_key(
    request: HttpRequest | Request,
    asked: RequestTerms,
    *,
    rows: QuerySet[Any],
    caller: Caller,
) -> RequestTerms:
    """Use the header ``Idempotency-Key`` as ``request_id``; see ``idempotency_key``.

    Raises:
        Problem: 400 if it differs from ``request_id`` in the body.
    """
    key = idempotency_key(request, rows=rows, caller=caller)
    if key is None:
        return asked
    if asked.request_id not in {None, key}:
        raise invalid("/request_id", "mismatch", "Idempotency-Key and request_id differ.")
    return msgspec.structs.replace(asked, request_id=key)
