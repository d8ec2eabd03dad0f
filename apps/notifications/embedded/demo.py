"""The demo: a user, templates, a staff account and an API key, created once and reused.

Secrets are stored in ``var/demo.env`` (mode 0600), so that every start prints the same ones. Where
no file can be written, as in a container, they are only in the result.
"""

import secrets
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.common import secret_file
from apps.templates import catalog
from apps.users import api_keys
from apps.users.models import Device, User

TEMPLATES_DIR = Path(__file__).resolve().parents[3] / "templates" / "demo"
USER_EMAIL = "ada@example.com"
STAFF_EMAIL = "staff@example.com"
CLIENT = "demo"


@dataclass(frozen=True, kw_only=True)
class Demo:
    """The accounts and the API key of the demo.

    Attributes:
        kept: Whether the secrets are in the file.
    """

    user: User
    staff: User
    staff_password: str
    api_key: str
    kept: bool


def demo_user() -> User | None:
    """Return the user of the demo; None before it is created, or after it was erased."""
    return User.objects.filter(erased_at=None, email_key=USER_EMAIL).first()


def other_users() -> bool:
    """Return whether there are users other than those of the demo."""
    ours = (USER_EMAIL, STAFF_EMAIL)
    return User.objects.filter(erased_at=None).exclude(email_key__in=ours).exists()


@transaction.atomic
def seed(*, must_keep: bool = True) -> Demo:
    """Create the missing parts of the demo, and return all parts.

    It is one transaction: after an error there is no account whose password nobody has seen.

    Args:
        must_keep: Fail if the file of the secrets cannot be written.

    Raises:
        OSError: The file cannot be written.
    """
    catalog.import_templates(TEMPLATES_DIR, update=False)
    kept = secret_file.read(settings.DEMO_ENV_FILE)
    user = demo_user()
    if user is None:
        user = User.objects.create_user(
            email=USER_EMAIL, name="Ada Lovelace", email_confirmed_at=timezone.now()
        )
        Device.objects.create(user=user, token="demo-device-1", platform="android")  # noqa: S106 - a made-up device.
    password = kept.get("DEMO_STAFF_PASSWORD") or secrets.token_urlsafe(12)
    staff = User.objects.filter(erased_at=None, email_key=STAFF_EMAIL).first()
    if staff is None or not staff.check_password(password):
        staff = staff or User.objects.create_superuser(email=STAFF_EMAIL, name="Demo staff")
        staff.set_password(password)
        staff.save(update_fields=["password"])
    key = kept.get("DEMO_API_KEY", "")
    if not key or api_keys.verify(key) is None:
        _, key = api_keys.create(name=CLIENT)
    is_kept = True
    try:
        made = {"DEMO_STAFF_PASSWORD": password, "DEMO_API_KEY": key}
        secret_file.keep(settings.DEMO_ENV_FILE, made)
    except OSError:
        if must_keep:
            raise
        is_kept = False
    return Demo(user=user, staff=staff, staff_password=password, api_key=key, kept=is_kept)
