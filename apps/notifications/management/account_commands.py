"""The subcommands of ``notify`` for keys and people: API keys, second factors and the demo."""

from argparse import Namespace

from django.conf import settings
from django.core.management.base import CommandError, OutputWrapper

from apps.common.callers import Kind, Scope
from apps.notifications.embedded import demo
from apps.notifications.management import first_steps
from apps.users import api_keys
from apps.users.addresses import address_key
from apps.users.models import User
from apps.users.staff import second_factor


def create_api_key(arguments: Namespace, out: OutputWrapper) -> None:
    """Create an API key. The last printed line is its plain text, which is not stored."""
    scopes = [Scope(scope) for scope in arguments.scopes] if arguments.scopes else list(Scope)
    try:
        row, plain = api_keys.create(
            name=arguments.name,
            client=arguments.client,
            kind=Kind(arguments.kind),
            scopes=scopes,
        )
    except ValueError as error:
        raise CommandError(str(error)) from None
    out.write(f"client {row.client}, {row.kind}, {', '.join(row.scopes)}")
    out.write(plain)


def reset_second_factor(arguments: Namespace, out: OutputWrapper) -> None:
    """Remove the second factor of a user who has lost the app and the recovery codes."""
    user = User.objects.filter(email_key=address_key(arguments.email)).first()
    if user is None or not second_factor.forget(user):
        raise CommandError("Nobody with this address has a second factor.")
    out.write(f"user {user.pk} has no second factor any more")


def seed_demo(arguments: Namespace, out: OutputWrapper) -> None:
    """Create the missing parts of the demo.

    The secrets are printed where no file can keep them, as in a container, and with the option
    ``first-steps``. With it, nothing is created on an installation that is not only for trying.
    """
    if arguments.first_steps and (reason := _in_use()):
        out.write(f"There is no demo: {reason}.")
        return
    made = demo.seed(must_keep=False)
    if arguments.first_steps:
        out.write(first_steps.text(made, settings.PUBLIC_URL))
        return
    out.write(f"user {made.user.pk} ({made.user.email})")
    if made.kept:
        out.write(f"staff {made.staff.email}; secrets are in {settings.DEMO_ENV_FILE}")
        return
    out.write(f"No file can be written ({settings.DEMO_ENV_FILE}), so this is shown only now:")
    out.write(f"staff {made.staff.email} / {made.staff_password}")
    out.write(made.api_key)


def _in_use() -> str:
    """Return why an installation is not only for trying; empty if it is."""
    if not first_steps.is_local(settings.PUBLIC_URL, settings.ALLOWED_HOSTS):
        return "PUBLIC_URL or ALLOWED_HOSTS names an address outside of this machine"
    if demo.demo_user() is None and demo.other_users():
        return "there are other users"
    return ""
