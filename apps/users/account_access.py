"""Which accounts a caller may see and change. All others are answered with 404."""

from uuid import UUID

from django.db.models import Prefetch, QuerySet

from apps.common.callers import Caller, Scope
from apps.common.rest.permissions import Access
from apps.common.rest.problems import Problem
from apps.users.models import ExternalId, User

VIEW = "users.view_user"
ADD = "users.add_user"
CHANGE = "users.change_user"
READ_ACCOUNT = Access(scope=Scope.USERS_READ, staff=VIEW, own=True)
CHANGE_ACCOUNT = Access(scope=Scope.USERS_WRITE, staff=CHANGE, own=True)
# The attribute in which ``visible_users`` stores the external ids that the caller may see.
SHOWN_EXTERNAL_IDS = "shown_external_ids"


def acts_for_others(caller: Caller, permission: str) -> bool:
    """Return whether the caller manages accounts: a client application, or staff with permission.

    The view's access table has already checked the scope of an API key.
    """
    return caller.is_key or (caller.is_staff and permission in caller.permissions)


def visible_users(caller: Caller, permission: str) -> QuerySet[User]:
    """Return the accounts that the caller may see, each with the caller's own external ids."""
    external_ids = ExternalId.objects.order_by("pk")
    if not caller.sees_all_clients:
        external_ids = external_ids.filter(client=caller.client or "")
    users = User.objects.filter(erased_at=None)
    if caller.user_id is not None and not acts_for_others(caller, permission):
        users = users.filter(pk=caller.user_id)
    return users.prefetch_related(
        Prefetch("external_ids", queryset=external_ids, to_attr=SHOWN_EXTERNAL_IDS)
    )


def find_user(caller: Caller, user_id: UUID, permission: str) -> User:
    """Return one account.

    Raises:
        Problem: 404 if there is no such account, or the caller may not see it.
    """
    user = visible_users(caller, permission).filter(pk=user_id).first()
    if user is None:
        raise Problem(404, "There is no such user.")
    return user


def refuse_staff_account(*, caller: Caller, user: User, superuser: bool) -> None:
    """Refuse changes of a staff account by API keys and by other staff.

    A caller that can set the password or the address of an administrator could act as one.

    Args:
        caller: The caller that wants to change or erase the account.
        user: The account.
        superuser: Whether the caller is a superuser, who may change staff accounts.

    Raises:
        Problem: 403 if the change is not allowed.
    """
    privileged = user.is_staff or user.is_superuser
    if privileged and caller.user_id != user.pk and not superuser:
        raise Problem(403, "Accounts of staff are changed by their owners and by superusers.")
