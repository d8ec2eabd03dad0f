"""Devices: a token moves with its owner, comes back to life, and leaves."""

from collections.abc import Mapping
from uuid import UUID

from django.db import transaction
from django.db.models import Case, CharField, Value, When
from django.utils import timezone

from apps.common.rest.problems import Problem
from apps.users import unconfirmed
from apps.users.models import Device
from apps.users.models.device import Platform

# A push goes to every device, so their number bounds what one notification costs.
MAX_ACTIVE_DEVICES = 50


def register(*, user_id: UUID, token: str, platform: Platform | None = None) -> tuple[Device, bool]:
    """Make the token this user's; return the device and whether it is new to them.

    A token of another user leaves them, with a new id here, so that what was sent to them never
    names this user's device. A retired one is used again.

    Args:
        user_id: The user who holds the device now.
        token: The provider's registration token.
        platform: What it runs; None keeps what is known, which is Android at first.

    Raises:
        Problem: 409 when the user has too many active devices, or has not confirmed their address.
    """
    unconfirmed.refuse_device(user_id)
    now = timezone.now()
    current: dict[str, object] = {
        "user_id": user_id,
        "last_seen_at": now,
        "retired_at": None,
        "retired_reason": "",
    }
    if platform is not None:
        current["platform"] = platform
    with transaction.atomic():
        Device.objects.filter(token=token).exclude(user_id=user_id).delete()
        device, created = Device.objects.update_or_create(token=token, defaults=current)
        if Device.objects.filter(user_id=user_id, retired_at=None).count() > MAX_ACTIVE_DEVICES:
            detail = f"A user has at most {MAX_ACTIVE_DEVICES} active devices."
            raise Problem(409, detail, code="too_many_devices")
    return device, created


def retire(reasons: Mapping[UUID, str]) -> None:
    """Stop using devices whose tokens are dead, and keep the rows with the reason and time.

    One statement that locks them in the order of their ids, so that two with the same devices wait
    for each other in one direction only.
    """
    active = Device.objects.filter(pk__in=list(reasons), retired_at=None)
    locked = active.order_by("pk").select_for_update().values("pk")
    whens = [When(pk=pk, then=Value(reason[:64])) for pk, reason in reasons.items()]
    with transaction.atomic():
        Device.objects.filter(pk__in=locked).update(
            retired_at=timezone.now(), retired_reason=Case(*whens, output_field=CharField())
        )
