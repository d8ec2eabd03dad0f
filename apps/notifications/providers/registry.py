"""The registry of providers, and this process's single instance of each."""

import os
import threading
from typing import Any

import structlog
from django.conf import settings
from django.utils.module_loading import import_string

from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.base import Provider, Reply

log = structlog.get_logger(__name__)

PACKAGE = "apps.notifications.providers"

# The classes by channel and by name in EMAIL_PROVIDERS or PUSH_PROVIDERS. A class is imported on
# first use, so that a process does not load libraries that it does not need.
PROVIDERS: dict[str, dict[str, str]] = {
    "email": {
        "sandbox": f"{PACKAGE}.sandbox.SandboxMail",
        "smtp": f"{PACKAGE}.smtp.provider.SmtpProvider",
        "sendgrid": f"{PACKAGE}.sendgrid.SendGridProvider",
    },
    "push": {
        "sandbox": f"{PACKAGE}.sandbox.SandboxPush",
        "fcm": f"{PACKAGE}.fcm.provider.FcmProvider",
    },
}

_instances: dict[tuple[str, str], Provider[Any]] = {}
_lock = threading.Lock()


def provider(name: str, *, channel: str) -> Provider[Any]:
    """Return this process's instance of a provider, created on first use. Thread-safe.

    Args:
        name: The provider's name, such as ``smtp``.
        channel: ``email`` or ``push``. The sandbox has an instance for each.

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


def check(name: str, *, channel: str) -> Reply | None:
    """Test a provider's connection, as ``Provider.check``; a defect in it is a reply as well.

    Args:
        name: The provider's name.
        channel: ``email`` or ``push``.

    Raises:
        LookupError: There is no such provider for the channel.
    """
    instance = provider(name, channel=channel)
    try:
        return instance.check()
    except Exception as error:
        log.exception("the check of a provider failed", provider=name)
        kind = type(error).__name__
        return Reply(outcome=Outcome.DEFECT, code=kind, reason="defect", detail=kind)


def close_all() -> None:
    """Close and remove all providers of this process, for example when a worker stops."""
    with _lock:
        closing = list(_instances.values())
        _instances.clear()
    for instance in closing:
        instance.close()


def _forget_after_fork() -> None:
    """Drop the parent's instances in a child process, which must open its own connections."""
    global _lock  # noqa: PLW0603 - another thread of the parent may have held it during the fork.
    _lock = threading.Lock()
    _instances.clear()


os.register_at_fork(after_in_child=_forget_after_fork)
