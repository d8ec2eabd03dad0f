"""Erasure of a user together with the content of their notifications."""

from uuid import UUID

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.callers import Scope, caller_of
from apps.common.rest.permissions import Access
from apps.users import account_access, contacts
from apps.users.api.profiles import UserView

DELETE_PERMISSION = "users.delete_user"


class ErasableUserView(UserView):
    """One user: read, change or erase it."""

    # The deletion also affects other apps, so it is implemented here, under another name.
    name = "User"
    access = {
        **UserView.access,
        "DELETE": Access(scope=Scope.USERS_WRITE, staff=DELETE_PERMISSION, own=True),
    }

    problems = {**UserView.problems, "DELETE": ()}

    @extend_schema(
        operation_id="users_erase",
        tags=["Users"],
        summary="Erase a user's personal data and what was sent; the counts stay",
        responses={204: None},
    )
    def delete(self, request: Request, user_id: UUID) -> Response:
        """Erase the user."""
        caller = caller_of(request)
        user = account_access.find_user(caller, user_id, DELETE_PERMISSION)
        superuser = getattr(request.user, "is_superuser", False)
        account_access.refuse_staff_account(caller=caller, user=user, superuser=superuser)
        with transaction.atomic():
            contacts.erase(user.pk)
        return Response(status=204)
