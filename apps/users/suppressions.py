"""The suppression list: addresses that are never written to again, by any client."""

from collections.abc import Collection

from apps.users.addresses import address_hash
from apps.users.models import Suppression


def suppress(*, email: str, reason: str) -> None:
    """Put an address on the list. A second reason changes nothing."""
    Suppression.objects.get_or_create(
        address_hash=address_hash(email),
        defaults={"address": email.strip()[:254], "reason": reason[:64]},
    )


def suppressed_hashes(emails: Collection[str]) -> set[str]:
    """Return the hashes of those addresses that are on the list, in one query."""
    hashes = {address_hash(email) for email in emails}
    return set(
        Suppression.objects.filter(address_hash__in=hashes).values_list("address_hash", flat=True)
    )
