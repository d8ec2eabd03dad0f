"""The subcommands of ``notify`` for keys and people: API keys, second factors and the demo."""

from argparse import Namespace

from django.conf import settings
from django.core.management.base import CommandError, OutputWrapper

from apps.common.callers import Kind, Scope
from apps.notifications.embedded import demo
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
    """Create the missing parts of the demo."""
    made = demo.seed()
    out.write(f"user {made.user.pk} ({made.user.email})")
    out.write(f"staff {made.staff.email}; secrets are in {settings.DEMO_ENV_FILE}")
