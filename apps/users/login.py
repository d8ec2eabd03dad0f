"""Login. The response and its time are the same for a wrong password and an unknown address."""

from django.contrib.auth.models import update_last_login

from apps.common.rest.problems import Problem
from apps.users import passwords, tokens
from apps.users.addresses import address_key
from apps.users.models import User
from apps.users.staff import second_factor

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="api"'}


def refused(detail: str, *, code: str) -> Problem:
    """Return the 401 problem of login and refresh."""
    return Problem(401, detail, code=code, headers=CHALLENGE)


def log_in(*, email: str, password: str, code: str | None = None) -> tuple[User, tokens.Tokens]:
    """Check the credentials; return the user and new tokens.

    Args:
        email: The address, in any spelling.
        password: The password.
        code: The second factor, for staff who need one.

    Raises:
        Problem: The same 401 for an unknown address, a wrong password and a user who may not log
            in; 401 for a missing or wrong second factor; 503 when too many passwords are being
            checked.
    """
    user = User.objects.filter(email_key=address_key(email)).first()
    correct = passwords.matches(user, password)
    if user is None or not correct or not user.is_active:
        raise refused("The address or the password is wrong.", code="invalid_credentials")
    demanded = second_factor.is_required_for(user)
    if demanded:
        _check_second_factor(user, code)
    issued = tokens.issue(user, second_factor_passed=demanded)
    update_last_login(User, user)
    return user, issued


def _check_second_factor(user: User, code: str | None) -> None:
    """Check the second factor of staff, so that a token does not bypass it."""
    if not second_factor.has_enrolled(user):
        detail = "Staff need a second factor here: set it up on the pages of the admin first."
        raise refused(detail, code="second_factor_required")
    if code is None:
        detail = "The second factor is missing: give one_time_code as well."
        raise refused(detail, code="second_factor_required")
    if second_factor.verify(user, code) is None:
        raise refused("The one-time code is wrong or was used.", code="invalid_one_time_code")
