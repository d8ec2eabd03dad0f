"""The suppression list: addresses that are never written to again, by any client."""

from collections.abc import Collection, Mapping

from apps.users.addresses import address_hash
from apps.users.models import Suppression


def suppress_all(reasons: Mapping[str, str]) -> None:
    """Put addresses on the list, each with its reason. A second reason changes nothing.

    One statement, in the order of the hashes: two of them with the same addresses wait for each
    other in one direction only.
    """
    rows = [
        Suppression(
            address_hash=address_hash(email), address=email.strip()[:254], reason=reason[:64]
        )
        for email, reason in reasons.items()
    ]
    Suppression.objects.bulk_create(
        sorted(rows, key=lambda row: row.address_hash), ignore_conflicts=True
    )


def suppress_hash(hashed: str, *, candidates: Collection[str], reason: str) -> None:
    """Put an address on the list of which the hash is known; shown where it is a candidate."""
    shown = next((email for email in candidates if address_hash(email) == hashed), "")
    row = Suppression(address_hash=hashed, address=shown[:254], reason=reason[:64])
    Suppression.objects.bulk_create([row], ignore_conflicts=True)


def suppressed_hashes(emails: Collection[str]) -> set[str]:
    """Return the hashes of those addresses that are on the list, in one query."""
    hashes = {address_hash(email) for email in emails}
    return set(
        Suppression.objects.filter(address_hash__in=hashes).values_list("address_hash", flat=True)
    )
