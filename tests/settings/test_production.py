"""With production settings, ``manage.py check --deploy`` finds nothing."""

from tests.settings.conftest import Start
from tests.settings.test_environment import STRONG_KEY

PRODUCTION = {
    "DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing",
    "BROKER_URL": "amqp://127.0.0.1:1//",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "SECRET_KEY": STRONG_KEY,
    "ALLOWED_HOSTS": "notifications.example.com",
    "PUBLIC_URL": "https://notifications.example.com",
}
SHOWN = {
    "SESSION_COOKIE_SECURE": True,
    "SESSION_COOKIE_HTTPONLY": True,
    "SESSION_COOKIE_SAMESITE": "Lax",
    "SESSION_COOKIE_AGE": 12 * 3600,
    "SESSION_EXPIRE_AT_BROWSER_CLOSE": True,
    "CSRF_COOKIE_SECURE": True,
    "CSRF_COOKIE_SAMESITE": "Lax",
    "USE_X_FORWARDED_HOST": False,
    "SECURE_PROXY_SSL_HEADER": None,
    "SECURE_HSTS_SECONDS": 31_536_000,
    "DEBUG": False,
}
CHECK = f"""
import django
django.setup()
from django.conf import settings
print({{name: getattr(settings, name) for name in {list(SHOWN)!r}}})
print(settings.PASSWORD_HASHERS[0])
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", "check", "--deploy", "--fail-level", "WARNING"])
"""


def test_the_deployment_check_passes_and_the_settings_are_strict(start: Start) -> None:
    ended = start(CHECK, **PRODUCTION)
    assert (ended.returncode, ended.stderr) == (0, "")
    settings, hasher, verdict = ended.stdout.splitlines()
    assert settings == str(SHOWN)
    assert hasher.endswith("Argon2PasswordHasher")
    # One check is silenced: the reverse proxy redirects to HTTPS; the reason is in the settings.
    assert verdict == "System check identified no issues (1 silenced)."


def test_the_deployment_check_finds_insecure_settings(start: Start) -> None:
    """What is worse stops the process: see test_unsafe_values.py."""
    careless = {
        "PUBLIC_URL": "http://notifications.example.com",
        "SECRET_KEY": STRONG_KEY[:40],
        "SECRET_KEY_FALLBACKS": "shorter",
        "REDIS_URL": "",
    }
    ended = start(CHECK, **PRODUCTION | careless)
    assert ended.returncode == 1
    findings = ("security.W009", "security.W010", "security.W025", "notifications.W001")
    assert [finding for finding in findings if finding not in ended.stderr] == []
