"""Find users for staff: by id, address, external id or the beginning of a name or address.

Each look-up reads its own index. One condition with OR over several columns would scan the table:
0.4 s for a million users, and seconds with the join of the external ids.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Lower

from apps.common.ids import as_uuid
from apps.common.postgresql.bytewise import Bytewise, prefix_range
from apps.common.postgresql.one_of import OneOf
from apps.users import unconfirmed
from apps.users.addresses import address_key
from apps.users.models import ExternalId, User

# The maximum number of users that a search returns.
USERS_MAX = 1_000


@dataclass(frozen=True, kw_only=True)
class FoundUsers:
    """The result of a search.

    Attributes:
        ids: The users, at most ``USERS_MAX``.
        more: Whether there are more.
    """

    ids: tuple[UUID, ...] = ()
    more: bool = False


def find_users(term: str) -> FoundUsers:
    """Find the users that a term may mean. Erased users are not found.

    A UUID is a user's id or an external id. Another text is an address in any spelling, an external
    id, or the beginning of an address or of a name in upper or lower case. A full address of an
    account finds no other account whose address begins with it.

    Args:
        term: What staff have entered.
    """
    term = term.strip()
    if not term:
        return FoundUsers()
    found: dict[UUID, None] = {}
    for users in _look_ups(term):
        found |= dict.fromkeys(users.values_list("pk", flat=True)[: USERS_MAX + 1])
    return FoundUsers(ids=tuple(found)[:USERS_MAX], more=len(found) > USERS_MAX)


def user_of_address(address: str) -> UUID | None:
    """Return the account that has this address today, in any spelling."""
    users = _users().filter(email_key=address_key(address))
    return users.values_list("pk", flat=True).first()


def users_of_addresses(
    addresses: Collection[str], *, to_be_created: bool = False
) -> dict[str, UUID]:
    """Return the accounts that have these addresses today, by the key of the address.

    Args:
        addresses: The addresses, in any spelling.
        to_be_created: Whether accounts of the missing ones are created by a client, so that an
            unconfirmed account, which gives way to it, does not count.
    """
    keys = {address_key(address) for address in addresses}
    users = _users().filter(email_key__in=keys)
    if to_be_created:
        users = users.exclude(unconfirmed.GIVING_WAY)
    return {key: pk for key, pk in users.values_list("email_key", "pk") if key is not None}


def external_ids_of_users(user_ids: Collection[UUID], *, client: str) -> dict[UUID, str]:
    """Return the ids that one client uses for users, without users that have none."""
    ids = ExternalId.objects.filter(OneOf("user_id", user_ids), client=client)
    return dict(ids.values_list("user_id", "value"))


def users_of_external_ids(values: Collection[str], *, client: str) -> dict[str, UUID]:
    """Return the users by the ids that one client uses for them."""
    ids = ExternalId.objects.filter(client=client, value__in=set(values), user__erased_at=None)
    return dict(ids.values_list("value", "user_id"))


def _users() -> QuerySet[User]:
    # Without an order, because the primary key's index must not be read for it.
    return User.objects.filter(erased_at=None).order_by()


def _look_ups(term: str) -> Iterator[QuerySet[User]]:
    yield _users().filter(external_ids__value=term)
    identifier = as_uuid(term)
    if identifier is not None:
        yield _users().filter(pk=identifier)
    elif user_of_address(term) is not None:
        yield _users().filter(email_key=address_key(term))
    else:
        yield with_address_prefix(term)
        yield with_name_prefix(term)


def with_address_prefix(prefix: str) -> QuerySet[User]:
    """Return the users whose address begins with a text, in the order of the index."""
    users = _users().alias(address=Bytewise("email_key"))
    return users.filter(**prefix_range("address", address_key(prefix))).order_by("address")


def with_name_prefix(prefix: str) -> QuerySet[User]:
    """Return the users whose name begins with a text, in the order of the index.

    The database converts names to lower case; SQLite does so for ASCII letters only.
    """
    users = _users().alias(lower_name=Bytewise(Lower("name")))
    return users.filter(**prefix_range("lower_name", prefix, lower=True)).order_by("lower_name")
