"""Create the accounts that the rows of a file name, many at once, by the rules of ``accounts``."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from rest_framework.exceptions import ErrorDetail, ValidationError

from apps.common.failure_isolation import isolate_failures
from apps.common.rest.problems import Problem, invalid, pointer_to
from apps.users import accounts, passwords
from apps.users.accounts import Editor, NewAccount
from apps.users.addresses import address_key
from apps.users.api.fields import AddressField, LineField
from apps.users.models import ExternalId, User
from apps.users.models.external_id import EXTERNAL_ID_MAX_LENGTH

# The fields of the users API, so that a file is read by the same rules.
FIELDS = {
    "email": AddressField(),
    "external_id": LineField(max_length=EXTERNAL_ID_MAX_LENGTH, allow_null=True),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedAccount:
    """A user that a file names.

    Attributes:
        email: The address, as it is written in the file.
        external_id: The id that the client uses for the user; None if the file has none.
    """

    email: str
    external_id: str | None = None


def refuse_malformed(named: NamedAccount) -> None:
    """Refuse names that the users API would refuse.

    Raises:
        Problem: 400 at ``/email`` or ``/external_id``.
    """
    for name, field in FIELDS.items():
        try:
            field.run_validation(getattr(named, name))
        except ValidationError as error:
            details = error.detail if isinstance(error.detail, list) else []
            first = next(
                (detail for detail in details if isinstance(detail, ErrorDetail)),
                ErrorDetail("This value is not valid.", code="invalid"),
            )
            raise invalid(pointer_to(name), first.code or "invalid", str(first)) from None


def create_named(named: Sequence[NamedAccount], *, client: str) -> list[UUID | Problem]:
    """Create accounts as if the client had called ``POST /users/`` for each of them.

    All are stored with two statements. If one of them conflicts with an account that exists, or
    that another process creates at the same time, it is found by halves, and created or refused
    by itself. The name of such a user is not known, so it is empty.

    Args:
        named: Accounts that ``refuse_malformed`` has not refused, with different names.
        client: The client that enters them; empty for staff, who have no external ids.

    Returns:
        For each account its id, or why it was not created.
    """
    editor = Editor(client=client or None, trusted=True)
    news = [
        NewAccount(name="", email=one.email.strip(), external_id=one.external_id) for one in named
    ]
    # Two processes insert the same addresses in the same order; otherwise they could deadlock.
    order = sorted(range(len(news)), key=lambda place: address_key(news[place].email))

    def create_all(places: Sequence[int]) -> dict[int, UUID | Problem]:
        users = [accounts.unsaved(new=news[place], editor=editor) for place in places]
        for user in users:
            passwords.set_hash(user, None, trusted=True)
        User.objects.bulk_create(users)
        created = dict(zip(places, users, strict=True))
        ExternalId.objects.bulk_create(
            ExternalId(client=editor.client, user=user, value=value)
            for place, user in created.items()
            if editor.client is not None and (value := news[place].external_id) is not None
        )
        return {place: user.pk for place, user in created.items()}

    def create_one(place: int, _: Exception) -> dict[int, UUID | Problem]:
        try:
            return {place: accounts.create(new=news[place], editor=editor).pk}
        except Problem as problem:
            return {place: problem}

    answers: dict[int, UUID | Problem] = {}
    for part in isolate_failures(order, create_all, failed=create_one):
        answers |= part
    return [answers[place] for place in range(len(news))]
