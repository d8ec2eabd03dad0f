"""Which providers there are, and the one instance of each that serves this process."""

import os
import threading
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from apps.notifications.providers.base import Provider

HERE = "apps.notifications.providers"

# Channel, then name in EMAIL_PROVIDERS or PUSH_PROVIDERS, then class. A class is imported when
# it is first asked for, so that a process never loads a library that it does not use.
PROVIDERS: dict[str, dict[str, str]] = {
    "email": {
        "sandbox": f"{HERE}.sandbox.SandboxMail",
        "smtp": f"{HERE}.smtp.provider.SmtpProvider",
        "sendgrid": f"{HERE}.sendgrid.SendGridProvider",
    },
    "push": {
        "sandbox": f"{HERE}.sandbox.SandboxPush",
        "fcm": f"{HERE}.fcm.provider.FcmProvider",
    },
}

_instances: dict[tuple[str, str], Provider[Any]] = {}
_lock = threading.Lock()


def provider(name: str, *, channel: str) -> Provider[Any]:
    """Return this process's instance of a provider, made on first use. Safe in any thread.

    Args:
        name: Such as ``smtp``.
        channel: ``email`` or ``push``; the sandbox serves both, with an instance each.

    Raises:
        LookupError: There is no such provider for the channel.
    """
    key = (channel, name)
    if (found := _instances.get(key)) is not None:
        return found
    path = PROVIDERS.get(channel, {}).get(name)
    if path is None:
        message = f"There is no provider {name!r} for the channel {channel!r}."
        raise LookupError(message)
    with _lock:
        if key not in _instances:
            _instances[key] = import_string(path)()
        return _instances[key]


def providers_for(channel: str) -> tuple[str, ...]:
    """Return the configured providers of a channel in order of preference.

    Raises:
        LookupError: There is no such channel.
    """
    match channel:
        case "email":
            return tuple(settings.EMAIL_PROVIDERS)
        case "push":
            return tuple(settings.PUSH_PROVIDERS)
        case _:
            message = f"There is no channel {channel!r}."
            raise LookupError(message)


def close_all() -> None:
    """Close every provider of this process and forget it, as at the end of a worker."""
    with _lock:
        closing = list(_instances.values())
        _instances.clear()
    for instance in closing:
        instance.close()


def _forget_after_fork() -> None:
    """Leave the parent's threads and sockets to the parent: a child opens its own."""
    global _lock  # noqa: PLW0603 - another thread of the parent may have held it during the fork.
    _lock = threading.Lock()
    _instances.clear()


os.register_at_fork(after_in_child=_forget_after_fork)
