"""The suppression list: addresses that get no more mail from any client."""

from collections.abc import Collection, Mapping

from apps.users.addresses import address_hash
from apps.users.models import Suppression


def suppress_all(reasons: Mapping[str, str]) -> None:
    """Add addresses to the list, each with its reason. Existing entries are not changed.

    One statement inserts them in the order of the hashes, so that two concurrent calls with the
    same addresses cannot deadlock.

    Args:
        reasons: The reason by address.
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
    """Add an address by its hash; store the address itself if it is one of the candidates."""
    shown = next((email for email in candidates if address_hash(email) == hashed), "")
    row = Suppression(address_hash=hashed, address=shown[:254], reason=reason[:64])
    Suppression.objects.bulk_create([row], ignore_conflicts=True)


def suppressed_hashes(emails: Collection[str]) -> set[str]:
    """Return the hashes of the addresses that are on the list, with one query."""
    hashes = {address_hash(email) for email in emails}
    return set(
        Suppression.objects.filter(address_hash__in=hashes).values_list("address_hash", flat=True)
    )
