"""Accept a broadcast: one notification to many users, who are iterated in the background."""

import msgspec
from django.db import transaction
from django.utils import timezone

from apps.common.callers import Caller
from apps.common.ids import new_id
from apps.common.middleware.correlation import current_id
from apps.common.rest.problems import invalid
from apps.notifications.batches import idempotency, slices
from apps.notifications.intake.digests import PRESENT_FORM, body_digest, repeats, second_form
from apps.notifications.intake.draft import check_terms
from apps.notifications.intake.requests import Audience, BroadcastRequest
from apps.notifications.models import Batch, BatchSource, BatchState


def broadcast(asked: BroadcastRequest, *, caller: Caller) -> tuple[Batch, bool]:
    """Store a broadcast.

    Args:
        asked: The content and the audience.
        caller: The API client.

    Returns:
        The batch, and whether it is the one of an earlier call with the same key.

    Raises:
        Problem: 400 or 422; nothing is stored then.
    """
    audience = checked(asked.audience)
    now = timezone.now()
    batch = Batch(
        id=new_id(),
        client=caller.client or "",
        kind=caller.kind,
        source=BatchSource.BROADCAST,
        request_id=asked.request_id,
        body_digest=second_form(asked),
        canonical_digest=body_digest(asked),
        digest_form=PRESENT_FORM,
        correlation_id=current_id(),
        state=BatchState.RUNNING,
        next_at=now,
        created_at=now,
    )
    listed = list(dict.fromkeys(audience.user_ids or ()))
    # The user ids are stored in slices, so they are not repeated in the terms.
    terms = msgspec.structs.replace(asked, audience=Audience(category=audience.category))
    batch.terms = {"request": msgspec.to_builtins(terms), "by_name": bool(listed)}
    with transaction.atomic():
        earlier = idempotency.begin(batch)
        if earlier is not None:
            idempotency.settle(earlier, repeated=repeats(earlier, asked))
            return earlier, True
        # Check after the key: a repeated call gets its answer even if it would be refused now.
        check_terms(asked.to(batch.pk))
        for first, piece in slices.cut(str(user_id).encode() for user_id in listed):
            slices.keep(batch, first, piece)
        # The scheduler counts another audience.
        batch.total, batch.counting = len(listed), not listed
        batch.save(update_fields=["total", "counting"])
    return batch, False


def cost(asked: BroadcastRequest) -> int:
    """Return the cost of a broadcast under the client's rate limit: the listed users, else 1.

    For other audiences the workers set the pace, not the rate limit window.
    """
    return len(asked.audience.user_ids or ()) or 1


def checked(audience: Audience) -> Audience:
    """Refuse an audience without exactly one criterion.

    Raises:
        Problem: 400.
    """
    if audience.all is False:
        raise invalid("/audience/all", "invalid", "Expected true.")
    given = [audience.user_ids, audience.all, audience.category]
    if sum(one is not None for one in given) != 1:
        detail = "Expected exactly one of user_ids, all and category."
        raise invalid("/audience", "invalid", detail)
    return audience
