"""System checks that report misconfiguration before anything is sent (``manage.py check``)."""

import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning

from apps.notifications.providers import time_limits

# The checks whose results depend on the environment of an installation. The others depend on the
# code alone, and ``manage.py check`` and ``migrate`` run them. They import all URLs, the admin and
# the REST framework: 0.25 s at the start of a process, and 25 MB while it runs.
ENVIRONMENT = [Tags.caches, Tags.compatibility]


@register(Tags.compatibility)
def providers_have_their_settings(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Check that each configured provider has its required settings."""
    found: list[CheckMessage] = []
    if "smtp" in settings.EMAIL_PROVIDERS:
        found += _smtp()
        found += _grace()
    if "sendgrid" in settings.EMAIL_PROVIDERS and not settings.SENDGRID_API_KEY:
        found.append(_missing("E002", "sendgrid", "SENDGRID_API_KEY"))
    if "fcm" in settings.PUSH_PROVIDERS:
        found += _fcm()
    return found


def _smtp() -> list[CheckMessage]:
    if not settings.SMTP_HOST:
        return [_missing("E001", "smtp", "SMTP_HOST")]
    if settings.SMTP_TLS == "none" and settings.SMTP_USERNAME and not _is_loopback():
        return [
            Error(
                "The SMTP password would cross the network in clear text.",
                hint="Set SMTP_TLS to starttls or implicit, or leave SMTP_USERNAME empty.",
                id="notifications.E003",
            )
        ]
    if settings.SMTP_CA_FILE and not Path(settings.SMTP_CA_FILE).is_file():
        return [_unreadable("E004", "SMTP_CA_FILE", settings.SMTP_CA_FILE)]
    return []


def _grace() -> list[CheckMessage]:
    """Warn if a stopping worker would be killed while a mail server may still reply."""
    needed = time_limits.stop_seconds(smtp_reply_seconds=settings.SMTP_REPLY_TIMEOUT_SECONDS)
    if needed < time_limits.SHIPPED_GRACE_SECONDS:
        return []
    return [
        CheckWarning(
            f"A worker may need {needed:g} s to end a mail that it has begun, and a stop waits "
            f"{time_limits.SHIPPED_GRACE_SECONDS} s: the outcome of such a mail would be lost.",
            hint="Lower SMTP_REPLY_TIMEOUT_SECONDS, or raise stopwaitsecs (docker/stack.conf), "
            "stop_grace_period (docker-compose.yml), maxShutdownDelaySeconds (render.yaml) or "
            "terminationGracePeriodSeconds (docker/kubernetes) and silence this warning.",
            id="notifications.W003",
        )
    ]


def _fcm() -> list[CheckMessage]:
    if not settings.FCM_SERVICE_ACCOUNT_FILE:
        return [_missing("E005", "fcm", "FCM_SERVICE_ACCOUNT_FILE")]
    if not Path(settings.FCM_SERVICE_ACCOUNT_FILE).is_file():
        return [_unreadable("E006", "FCM_SERVICE_ACCOUNT_FILE", settings.FCM_SERVICE_ACCOUNT_FILE)]
    return []


@register(Tags.caches)
def several_processes_share_a_cache(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Warn if processes on a real broker have no Redis to share limits and breakers."""
    if settings.EMBEDDED or settings.REDIS_URL:
        return []
    return [
        CheckWarning(
            "Without Redis each process counts rate limits, also those of the providers, and keeps "
            "circuit breakers by itself.",
            hint="Set REDIS_URL.",
            id="notifications.W001",
        )
    ]


@register(Tags.compatibility)
def passwords_of_servers_cannot_be_guessed(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Warn about a server on another machine whose password can be guessed."""
    return [
        CheckWarning(
            f"The password in {name} can be guessed: it is well known or has fewer than 8 "
            "characters, and the server is on another machine.",
            hint="Give the user of the server a random password.",
            id="notifications.W004",
        )
        for name in settings.GUESSABLE_SERVER_PASSWORDS
    ]


def _is_loopback() -> bool:
    try:
        return ipaddress.ip_address(settings.SMTP_HOST).is_loopback
    except ValueError:
        return bool(settings.SMTP_HOST == "localhost")


def _missing(number: str, provider: str, variable: str) -> Error:
    return Error(
        f"The provider {provider} is configured, and {variable} is not set.",
        hint=f"Set {variable}, or take {provider} out of the list of providers.",
        id=f"notifications.{number}",
    )


def _unreadable(number: str, variable: str, path: str) -> Error:
    return Error(
        f"{variable} names {path}, which is not a file.",
        hint="Correct the path, or mount the file.",
        id=f"notifications.{number}",
    )
