"""The second factor of staff: a code of an authenticator app (TOTP, RFC 6238), or a recovery code.

With a password alone, staff can use the admin, the sandbox pages and the API only if they do not
need a second factor (``is_required_for``). The devices are those of django-otp, which refuses used
codes and waits longer after each wrong code.
"""

import time
from base64 import b32encode
from typing import Any
from urllib.parse import quote, urlencode

import django_otp
import segno
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice
from django_otp.util import random_hex

from apps.users.models import User

REQUIRED = "required"
ISSUER = "Notifications"
RECOVERY_CODES = 10
CODE_DIGITS = 6
STEP_SECONDS = 30
# Accept one step before and after the current one, because clocks are often off by half a minute.
TOLERANCE_STEPS = 1


def has_enrolled(user: User) -> bool:
    """Return whether the user has an authenticator app."""
    return bool(TOTPDevice.objects.filter(user=user, confirmed=True).exists())


def is_required_for(user: User) -> bool:
    """Return whether the user needs a second factor: staff who have enrolled, or all staff."""
    return user.is_staff and (settings.ADMIN_SECOND_FACTOR == REQUIRED or has_enrolled(user))


def passed(request: HttpRequest) -> bool:
    """Return whether the session of this request is fully authenticated."""
    user: Any = request.user
    if not user.is_authenticated:
        return False
    return bool(user.is_verified()) or not is_required_for(user)


def verify(user: User, code: str) -> Any:
    """Check and consume a code of the app or a recovery code; return its device or None."""
    code = "".join(code.split()).lower()
    if not (code.isascii() and code.isalnum()):
        # Codes have no other characters, and PostgreSQL cannot compare a NUL byte.
        return None
    of_app = code.isdecimal() and len(code) == CODE_DIGITS
    kind: Any = TOTPDevice if of_app else StaticDevice
    with transaction.atomic():
        # Lock the rows, so that only one of two concurrent calls with the same code succeeds.
        for device in kind.objects.select_for_update().filter(user=user, confirmed=True):
            if device.verify_token(code):
                return device
    return None


def new_key() -> str:
    """Return a new shared secret for an authenticator app, in hexadecimal."""
    return str(random_hex(20))


def address_of(key: str, *, user: User) -> str:
    """Return the URI of a secret for apps (the Key URI format of Google Authenticator)."""
    fields = {
        "secret": base32(key),
        "issuer": ISSUER,
        "digits": CODE_DIGITS,
        "period": STEP_SECONDS,
    }
    return f"otpauth://totp/{quote(f'{ISSUER}:{user.email}')}?{urlencode(fields)}"


def base32(key: str) -> str:
    """Return a secret in base32, for manual entry."""
    return b32encode(bytes.fromhex(key)).decode()


def picture_of(address: str) -> str:
    """Return a QR code as inline SVG, which needs no network and no other file."""
    return segno.make(address, error="m").svg_inline(scale=5, dark="#000", light="#fff")


def enrol(user: User, *, key: str, code: str) -> tuple[Any, list[str]] | None:
    """Register an app with its first code. An earlier app and its recovery codes are removed.

    Args:
        user: The user.
        key: The shared secret, in hexadecimal.
        code: The first code of the app.

    Returns:
        The device and new recovery codes, which are not shown again; None for a wrong code.
    """
    if not (code.isdecimal() and len(code) == CODE_DIGITS):
        return None
    totp = TOTP(bytes.fromhex(key), STEP_SECONDS, 0, CODE_DIGITS)
    totp.time = time.time()
    if not totp.verify(int(code), TOLERANCE_STEPS):
        return None
    codes = [StaticToken.random_token() for _ in range(RECOVERY_CODES)]
    with transaction.atomic():
        forget(user)
        device = TOTPDevice.objects.create(
            user=user, name="app", key=key, last_t=totp.t(), drift=totp.drift
        )
        kept = StaticDevice.objects.create(user=user, name="recovery codes")
        StaticToken.objects.bulk_create([StaticToken(device=kept, token=code) for code in codes])
    return device, codes


def remember(request: HttpRequest, device: Any) -> None:
    """Mark the session as verified."""
    # Change the session key, so that a key that was stolen before is useless.
    request.session.cycle_key()
    django_otp.login(request, device)


def forget(user: User) -> bool:
    """Remove the app and the recovery codes of a user; return whether there was an app."""
    removed, _ = TOTPDevice.objects.filter(user=user).delete()
    StaticDevice.objects.filter(user=user).delete()
    return bool(removed)
