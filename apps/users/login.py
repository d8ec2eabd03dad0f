"""Login: a wrong password and an unknown address cannot be told apart, by answer or by time."""

from django.contrib.auth.models import update_last_login

from apps.common.problems import Problem
from apps.users import passwords, tokens
from apps.users.addresses import address_key
from apps.users.models import User

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="api"'}


def refused(detail: str, *, code: str) -> Problem:
    """Make the 401 of login and refresh."""
    return Problem(401, detail, code=code, headers=CHALLENGE)


def log_in(*, email: str, password: str) -> tuple[User, tokens.Tokens]:
    """Return the user and new tokens.

    Raises:
        Problem: 401 for an unknown address, a wrong password and a user who may not log in
            alike; 503 when too many passwords are being checked.
    """
    user = User.objects.filter(email_key=address_key(email)).first()
    correct = passwords.matches(user, password)
    if user is None or not correct or not user.is_active:
        raise refused("The address or the password is wrong.", code="invalid_credentials")
    issued = tokens.issue(user)
    update_last_login(User, user)
    return user, issued
