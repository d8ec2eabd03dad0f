"""The idempotency key of a whole batch."""

from http import HTTPStatus

from django.db import IntegrityError, transaction

from apps.common.rest.problems import Problem, impossible
from apps.notifications.models import Batch, BatchState


def begin(batch: Batch) -> Batch | None:
    """Store a batch unless an earlier one has the same key.

    Returns:
        The earlier batch; None if this one was stored.
    """
    try:
        with transaction.atomic():
            batch.save(force_insert=True)
    except IntegrityError:
        earlier = Batch.objects.filter(
            client=batch.client, kind=batch.kind, request_id=batch.request_id
        ).first()
        if batch.request_id is None or earlier is None:
            raise
        return earlier
    return None


def settle(earlier: Batch, *, repeated: bool) -> None:
    """Check that a call correctly repeats an earlier one.

    Args:
        earlier: The batch with the key.
        repeated: Whether the body of this call is the same as that of the earlier one.

    Raises:
        Problem: 422 if the body differs, 409 while the earlier call is still in progress.
    """
    if earlier.state == BatchState.RECEIVING:
        raise Problem(HTTPStatus.CONFLICT, "The call with this key is still under way.")
    if not repeated:
        raise impossible(
            "/request_id",
            "idempotency_key_reused",
            "This idempotency key was used for a request with another body.",
        )
