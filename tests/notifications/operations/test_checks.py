"""Django system checks name a misconfiguration before anything is sent."""

from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks


def ids() -> list[str]:
    return [str(message.id) for message in run_checks() if str(message.id).startswith("notific")]


@pytest.fixture(autouse=True)
def with_redis(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:6379/15"


def test_the_sandbox_needs_no_settings() -> None:
    assert ids() == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"EMAIL_PROVIDERS": ["smtp"], "SMTP_HOST": ""}, "E001"),
        ({"EMAIL_PROVIDERS": ["sendgrid"], "SENDGRID_API_KEY": ""}, "E002"),
        (
            {
                "EMAIL_PROVIDERS": ["smtp"],
                "SMTP_HOST": "mail.example.com",
                "SMTP_TLS": "none",
                "SMTP_USERNAME": "me",
            },
            "E003",
        ),
        (
            {
                "EMAIL_PROVIDERS": ["smtp"],
                "SMTP_HOST": "mail.example.com",
                "SMTP_CA_FILE": "/nowhere",
            },
            "E004",
        ),
        ({"PUSH_PROVIDERS": ["fcm"], "FCM_SERVICE_ACCOUNT_FILE": ""}, "E005"),
        ({"PUSH_PROVIDERS": ["fcm"], "FCM_SERVICE_ACCOUNT_FILE": "/nowhere"}, "E006"),
        ({"EMBEDDED": False, "REDIS_URL": ""}, "W001"),
        (
            {
                "EMAIL_PROVIDERS": ["smtp"],
                "SMTP_HOST": "mail.example.com",
                "SMTP_REPLY_TIMEOUT_SECONDS": 57.0,
            },
            "W003",
        ),
        ({"GUESSABLE_SERVER_PASSWORDS": ["BROKER_URL"]}, "W004"),
    ],
)
def test_missing_settings_are_reported_by_their_check_id(
    settings: Any, changes: dict[str, Any], expected: str
) -> None:
    for name, value in changes.items():
        setattr(settings, name, value)

    assert ids() == [f"notifications.{expected}"]


def test_the_longest_documented_reply_timeout_fits_into_the_stop_of_a_worker(settings: Any) -> None:
    settings.EMAIL_PROVIDERS, settings.SMTP_HOST = ["smtp"], "mail.example.com"
    settings.SMTP_REPLY_TIMEOUT_SECONDS = 56.0

    assert ids() == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_a_password_in_clear_text_is_allowed_on_loopback(settings: Any, host: str) -> None:
    settings.EMAIL_PROVIDERS = ["smtp"]
    settings.SMTP_HOST, settings.SMTP_TLS, settings.SMTP_USERNAME = host, "none", "me"

    assert ids() == []


def test_a_complete_configuration_passes_all_checks(settings: Any, tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    key.write_text("{}")
    settings.EMAIL_PROVIDERS, settings.PUSH_PROVIDERS = ["smtp", "sendgrid"], ["fcm"]
    settings.SMTP_HOST, settings.SENDGRID_API_KEY = "mail.example.com", "SG.x"
    settings.FCM_SERVICE_ACCOUNT_FILE = str(key)

    assert ids() == []
