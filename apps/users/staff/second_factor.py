"""The second factor of staff: a code of an app (TOTP, RFC 6238), or a recovery code.

A password alone opens the admin, the sandbox's pages and the API only to those staff of whom no
second factor is demanded: see ``demanded_of``. The devices are django-otp's, which lets no code in
twice and waits longer after each wrong one.
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
# One step before and after the present one: a clock that is off by half a minute is common.
TOLERANCE_STEPS = 1


def has_enrolled(user: User) -> bool:
    """Tell whether the person has an app that makes codes."""
    return bool(TOTPDevice.objects.filter(user=user, confirmed=True).exists())


def demanded_of(user: User) -> bool:
    """Tell whether a password alone is not enough: for staff who enrolled, or for all of them."""
    return user.is_staff and (settings.ADMIN_SECOND_FACTOR == REQUIRED or has_enrolled(user))


def passed(request: HttpRequest) -> bool:
    """Tell whether the session of this request may act for its user."""
    user: Any = request.user
    if not user.is_authenticated:
        return False
    return bool(user.is_verified()) or not demanded_of(user)


def verify(user: User, code: str) -> Any:
    """Check a code of the app or a recovery code, which is used up; return its device or None."""
    code = "".join(code.split()).lower()
    if not (code.isascii() and code.isalnum()):
        # No code has other characters, and PostgreSQL cannot look for a NUL.
        return None
    of_app = code.isdecimal() and len(code) == CODE_DIGITS
    kind: Any = TOTPDevice if of_app else StaticDevice
    with transaction.atomic():
        # Locked, so that of two calls with one code one is refused.
        for device in kind.objects.select_for_update().filter(user=user, confirmed=True):
            if device.verify_token(code):
                return device
    return None


def new_key() -> str:
    """Make the secret that an app and this system will share, in hexadecimal."""
    return str(random_hex(20))


def address_of(key: str, *, user: User) -> str:
    """Write a secret as apps take it (the Key URI format of Google Authenticator)."""
    fields = {
        "secret": base32(key),
        "issuer": ISSUER,
        "digits": CODE_DIGITS,
        "period": STEP_SECONDS,
    }
    return f"otpauth://totp/{quote(f'{ISSUER}:{user.email}')}?{urlencode(fields)}"


def base32(key: str) -> str:
    """Write a secret as it is typed in by hand."""
    return b32encode(bytes.fromhex(key)).decode()


def picture_of(address: str) -> str:
    """Draw a QR code as SVG that needs no network and no other file."""
    return segno.make(address, error="m").svg_inline(scale=5, dark="#000", light="#fff")


def enrol(user: User, *, key: str, code: str) -> tuple[Any, list[str]] | None:
    """Take an app into use that has shown a first code; an earlier one and its codes are void.

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
    # Whoever knew the session's key before knows it no longer.
    request.session.cycle_key()
    django_otp.login(request, device)


def forget(user: User) -> bool:
    """Remove the app and the recovery codes of a person; tell whether there were any."""
    removed, _ = TOTPDevice.objects.filter(user=user).delete()
    StaticDevice.objects.filter(user=user).delete()
    return bool(removed)
