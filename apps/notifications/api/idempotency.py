"""The header ``Idempotency-Key`` of calls that make notifications."""

from typing import Any, TypeVar

import msgspec
from django.db.models import QuerySet
from django.http import HttpRequest
from rest_framework.request import Request

from apps.common.callers import Caller
from apps.common.rest.idempotency import given_key
from apps.common.rest.problems import invalid
from apps.notifications.intake.requests import Terms

RequestTerms = TypeVar("RequestTerms", bound=Terms)


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
    given = given_key(request)
    if given is None:
        return None
    if given.key != given.written and _known(given.written, rows=rows, caller=caller):
        return given.written
    return given.key


def _known(key: str, *, rows: QuerySet[Any], caller: Caller) -> bool:
    client = caller.client or ""
    return rows.filter(client=client, kind=caller.kind, request_id=key).exists()


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
