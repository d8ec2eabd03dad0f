"""The catchers take the messages in every process until a provider is configured."""

import pytest

from tests.settings.conftest import Start

CATCHERS = {
    "MAIL_CATCHER": "mailpit",
    "PUSH_CATCHER": "http://push-catcher:8027",
    "PUSH_CATCHER_KEY_FILE": "/run/notifications/push_catcher.json",
}
MAIL = ("EMAIL_PROVIDERS", "SMTP_HOST", "SMTP_PORT", "SMTP_TLS")
PUSH = ("PUSH_PROVIDERS", "FCM_API_URL", "FCM_SERVICE_ACCOUNT_FILE")


def shown(start: Start, names: tuple[str, ...], **environment: str) -> dict[str, str]:
    code = (
        "import django; django.setup(); from django.conf import settings\n"
        f"for name in {names!r}: print(name, getattr(settings, name), sep='\\t')"
    )
    done = start(code, **environment)
    assert done.returncode == 0, done.stderr
    return dict(line.split("\t") for line in done.stdout.splitlines())


def test_the_catchers_take_everything_where_nothing_is_configured(start: Start) -> None:
    assert shown(start, (*MAIL, *PUSH), **CATCHERS) == {
        "EMAIL_PROVIDERS": "['smtp']",
        "SMTP_HOST": "mailpit",
        "SMTP_PORT": "1025",
        "SMTP_TLS": "none",
        "PUSH_PROVIDERS": "['fcm']",
        "FCM_API_URL": "http://push-catcher:8027",
        "FCM_SERVICE_ACCOUNT_FILE": "/run/notifications/push_catcher.json",
    }


def test_a_configured_mail_server_is_used_with_the_defaults_of_its_own(start: Start) -> None:
    got = shown(start, MAIL, **CATCHERS, SMTP_HOST="smtp.example.com", EMAIL_PROVIDERS="smtp")
    assert got == {
        "EMAIL_PROVIDERS": "['smtp']",
        "SMTP_HOST": "smtp.example.com",
        "SMTP_PORT": "587",
        "SMTP_TLS": "starttls",
    }


def test_a_configured_service_account_is_used_with_the_real_address(start: Start) -> None:
    own = {"FCM_SERVICE_ACCOUNT_FILE": "/run/secrets/fcm.json", "PUSH_PROVIDERS": "fcm"}
    assert shown(start, PUSH, **CATCHERS, **own) == {
        "PUSH_PROVIDERS": "['fcm']",
        "FCM_API_URL": "https://fcm.googleapis.com",
        "FCM_SERVICE_ACCOUNT_FILE": "/run/secrets/fcm.json",
    }


@pytest.mark.parametrize(
    ("given", "used"),
    [({"EMAIL_PROVIDERS": "sandbox"}, "['sandbox']"), ({"EMAIL_PROVIDERS": ""}, "['smtp']")],
)
def test_a_provider_that_is_named_is_used(start: Start, given: dict[str, str], used: str) -> None:
    assert shown(start, ("EMAIL_PROVIDERS",), **CATCHERS, **given) == {"EMAIL_PROVIDERS": used}


def test_empty_catchers_leave_the_sandbox(start: Start) -> None:
    names = ("EMAIL_PROVIDERS", "PUSH_PROVIDERS")
    got = shown(start, names, **dict.fromkeys(CATCHERS, ""))
    assert got == dict.fromkeys(names, "['sandbox']")
