"""Accept many notifications in one idempotent call. Each row is validated independently."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import msgspec
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.common.callers import Caller
from apps.common.ids import new_id
from apps.common.middleware.correlation import current_id
from apps.common.rest.problems import Problem, impossible, invalid
from apps.notifications.intake import accept, digests, requests
from apps.notifications.intake.accept import Membership
from apps.notifications.intake.requests import SendRequest
from apps.notifications.models import Batch


def accept_bulk(
    rows: Sequence[msgspec.Raw], *, caller: Caller, key: str | None
) -> tuple[dict[str, Any], bool]:
    """Accept a bulk call.

    Args:
        rows: The raw JSON of each notification.
        caller: The API client.
        key: The idempotency key of the whole call.

    Returns:
        The response body, and whether it is the one of an earlier call with the same key.

    Raises:
        Problem: 422 when the key was used for another body.
    """
    now = timezone.now()
    parsed = [_parsed(row) for row in rows]
    batch = Batch(
        id=new_id(),
        client=caller.client or "",
        kind=caller.kind,
        request_id=key,
        body_digest=hashlib.sha256(b"\n".join(bytes(row) for row in rows)).digest(),
        correlation_id=current_id(),
        total=len(rows),
        created_at=now,
        ended_at=now,
    )
    canonical_digest = b""
    if key is not None:
        said = [_given_fields(one, row) for one, row in zip(parsed, rows, strict=True)]
        canonical_digest = digests.rows_digest(said)
        batch.canonical_digest, batch.digest_form = canonical_digest, digests.PRESENT_FORM
    try:
        with transaction.atomic():
            # Insert the batch first: a concurrent call with the same key blocks here.
            batch.save(force_insert=True)
            results = _results(parsed, batch=batch, caller=caller)
            rejected = sum(result["status"] == "rejected" for result in results)
            batch.answer = {
                "batch_id": str(batch.pk),
                "accepted": len(results) - rejected,
                "rejected": rejected,
                "results": results,
            }
            batch.duplicates = sum(result["status"] == "duplicate" for result in results)
            batch.accepted = len(results) - rejected - batch.duplicates
            batch.rejected = rejected
            batch.save(update_fields=["answer", "accepted", "duplicates", "rejected"])
    except IntegrityError:
        earlier = Batch.objects.filter(client=batch.client, kind=batch.kind, request_id=key).first()
        if key is None or earlier is None:
            raise
        # Equal bytes are the same call, even if a later release validates a row differently.
        if bytes(earlier.body_digest) != batch.body_digest and not digests.is_repeat(
            earlier, present=lambda: canonical_digest, older=()
        ):
            raise impossible(
                "/request_id",
                "idempotency_key_reused",
                "This idempotency key was used for a request with another body.",
            ) from None
        return earlier.answer, True
    return batch.answer, False


def _results(
    parsed: Sequence[SendRequest | Problem], *, batch: Batch, caller: Caller
) -> list[dict[str, Any]]:
    asked = [request for request in parsed if isinstance(request, SendRequest)]
    answers = iter(accept.accept_all(asked, caller=caller, member=Membership(batch_id=batch.pk)))
    return [
        _result(index, request if isinstance(request, Problem) else next(answers))
        for index, request in enumerate(parsed)
    ]


def _parsed(row: msgspec.Raw) -> SendRequest | Problem:
    try:
        return requests.bulk_row_decoder.decode(row)
    except msgspec.ValidationError as error:
        return requests.as_problem(error)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return invalid("", "malformed_json", f"The row is not valid JSON: {error}")


def _given_fields(parsed: SendRequest | Problem, row: msgspec.Raw) -> Any:
    """Return the value to digest for a row: the request, else its JSON, else its bytes."""
    if isinstance(parsed, SendRequest):
        return parsed
    try:
        return msgspec.json.decode(row)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return bytes(row)


def _result(index: int, answer: accept.IntakeResult) -> dict[str, Any]:
    if isinstance(answer, Problem):
        errors = [asdict(error) for error in answer.errors]
        return {"index": index, "id": None, "status": "rejected", "errors": errors}
    status = "duplicate" if answer.replayed else "accepted"
    return {"index": index, "id": str(answer.notification.pk), "status": status, "errors": []}
