"""Changes of the suppression list by people and client applications, with a line in the trail.

The trail names an address by its hash, so that its history is found after its owner was erased.
"""

from django.db import transaction

from apps.common import audit
from apps.common.rest.problems import Problem
from apps.users import suppressions
from apps.users.models import Suppression
from apps.users.suppressions import NewSuppression

OBJECT_TYPE = "suppression"


def put(entry: NewSuppression, *, actor: str) -> tuple[Suppression, bool]:
    """Put an address on the list.

    Returns:
        The entry of the address, and whether it is new or lasts longer now.
    """
    with transaction.atomic():
        changed = suppressions.add([entry]) > 0
        found = Suppression.objects.get(address_hash=entry.address_hash)
        if changed:
            audit.record(
                actor=actor,
                action="suppressed",
                object_type=OBJECT_TYPE,
                object_id=found.address_hash,
                # The note may be about a person, and the trail is kept after an erasure.
                detail=entry.reason,
            )
    return found, changed


def remove(suppression_id: int, *, actor: str, reason: str) -> None:
    """Take an address off the list.

    Raises:
        Problem: 404 if there is no such entry.
    """
    with transaction.atomic():
        found = Suppression.objects.select_for_update().filter(pk=suppression_id).first()
        if found is None:
            raise Problem(404, "There is no such suppression.")
        audit.record(
            actor=actor,
            action="unsuppressed",
            object_type=OBJECT_TYPE,
            object_id=found.address_hash,
            detail=f"{reason} (was: {found.public_reason})",
        )
        found.delete()
