"""Register and retire devices. A token can move to another user and can be reactivated."""

from collections.abc import Mapping
from uuid import UUID

from django.db import transaction
from django.db.models import Case, CharField, Value, When
from django.utils import timezone

from apps.common.rest.problems import Problem
from apps.users import unconfirmed
from apps.users.models import Device
from apps.users.models.device import Platform

# A push notification is sent to every device of a user, so this limits the cost of one.
MAX_ACTIVE_DEVICES = 50


def register(*, user_id: UUID, token: str, platform: Platform | None = None) -> tuple[Device, bool]:
    """Register a token for a user; return the device and whether it is new for this user.

    If another user has the token, it is removed there and gets a new id here, so that notifications
    to the other user never refer to this user's device. A retired device becomes active again.

    Args:
        user_id: The user who has the device now.
        token: The provider's registration token.
        platform: The platform; None keeps the stored one, also that of a token that moves from
            another user. A new token without a platform is one of Android.

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
        earlier = Device.objects.filter(token=token).exclude(user_id=user_id)
        if platform is None:
            known = earlier.values_list("platform", flat=True).first()
            current |= {} if known is None else {"platform": known}
        earlier.delete()
        device, created = Device.objects.update_or_create(token=token, defaults=current)
        if Device.objects.filter(user_id=user_id, retired_at=None).count() > MAX_ACTIVE_DEVICES:
            detail = f"A user has at most {MAX_ACTIVE_DEVICES} active devices."
            raise Problem(409, detail, code="too_many_devices")
    return device, created


def retire(reasons: Mapping[UUID, str]) -> None:
    """Retire devices whose tokens are no longer valid; store the reason and the time in their rows.

    One statement locks the rows in the order of their ids, so that two concurrent calls with the
    same devices cannot deadlock.

    Args:
        reasons: The provider's reason by device id.
    """
    active = Device.objects.filter(pk__in=list(reasons), retired_at=None)
    locked = active.order_by("pk").select_for_update().values("pk")
    whens = [When(pk=pk, then=Value(reason[:64])) for pk, reason in reasons.items()]
    with transaction.atomic():
        Device.objects.filter(pk__in=locked).update(
            retired_at=timezone.now(), retired_reason=Case(*whens, output_field=CharField())
        )
