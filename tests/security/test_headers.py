"""Security headers on every response: pages, data, errors, files and documentation."""

import re
from typing import Any

import pytest
from django.test import Client

from apps.notifications.feedback.unsubscribe import Subscription, token_for
from apps.notifications.models import SandboxMessage
from apps.users.models import User

pytestmark = pytest.mark.django_db

PAGES = [
    "/",
    "/admin/",
    "/admin/login/",
    "/admin/users/user/",
    "/admin/dead-letters/",
    "/api/v1/",
    "/api/v1/notifications/",
    "/api/docs/",
    "/api/redoc/",
    "/account/reset-password",
    "/account/confirm-email",
    "/account/second-factor/enrol",
    "/sandbox/",
    "/unsubscribe/{token}",
    "/nowhere",
    "/admin/nowhere/",
]
DATA = [
    "/health/live",
    "/health/ready",
    "/metrics",
    "/api/schema/",
    "/api/v1/nowhere",
    "/api/docs/?script=",
    "/static/admin/css/base.css",
    "/unsubscribe/forged",
    "/a\0b",
]


def directives(policy: str) -> dict[str, list[str]]:
    parts = [part.split() for part in policy.split(";") if part.strip()]
    return {name: values for name, *values in parts}


@pytest.fixture
def browser(charlie: User) -> Client:
    browser = Client(raise_request_exception=False)
    browser.force_login(charlie)
    return browser


def opened(browser: Client, path: str, charlie: User, accept: str) -> Any:
    token = token_for(Subscription(user_id=charlie.pk, category="news"))
    return browser.get(path.format(token=token), headers={"accept": accept})


def assert_guarded(answer: Any) -> dict[str, list[str]]:
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] in {"same-origin", "no-referrer"}
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    policy = directives(answer["Content-Security-Policy"])
    assert policy["default-src"] == ["'none'"]
    assert policy["frame-ancestors"] == ["'none'"]
    return policy


@pytest.mark.parametrize("path", PAGES)
def test_a_page_runs_only_script_files_of_this_server(
    browser: Client, charlie: User, path: str
) -> None:
    answer = opened(browser, path, charlie, "text/html")
    assert answer["Content-Type"].startswith("text/html"), answer.content[:200]
    policy = assert_guarded(answer)
    assert policy.get("script-src", ["'self'"]) == ["'self'"]
    assert policy["base-uri"] == ["'none'"]
    assert policy["form-action"] == ["'self'"]
    # The pages do not need what the policy forbids: they contain no inline script.
    scripts = re.findall(r"<script([^>]*)>", answer.content.decode())
    written = [tag for tag in scripts if "src=" not in tag and "application/json" not in tag]
    assert written == []
    assert re.findall(r"\son[a-z]+=[\"']", answer.content.decode()) == []


@pytest.mark.parametrize("path", DATA)
def test_data_has_a_policy_that_loads_nothing(browser: Client, charlie: User, path: str) -> None:
    answer = opened(browser, path, charlie, "application/json")
    assert not answer["Content-Type"].startswith("text/html")
    answer.close()  # Files stay open until then.
    policy = assert_guarded(answer)
    assert set(policy) == {"default-src", "frame-ancestors"}


def test_error_responses_of_the_framework_have_the_headers_as_well(
    browser: Client, charlie: User, settings: Any
) -> None:
    settings.ALLOWED_HOSTS = ["testserver"]
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(charlie)
    answers = [
        browser.get("/health/live", headers={"host": "evil.example"}),
        strict.post("/api/v1/notifications/", {}, content_type="application/json"),
        strict.post("/account/reset-password", {"token": "x"}),
        browser.delete("/unsubscribe/x"),
        Client().post("/api/v1/notifications/", {}, content_type="application/json"),
    ]
    assert [answer.status_code for answer in answers] == [400, 403, 403, 405, 401]
    for answer in answers:
        assert_guarded(answer)


def test_an_internal_error_has_the_headers_as_well(settings: Any, client: Client) -> None:
    settings.ROOT_URLCONF = "tests.common.urls"
    client.raise_request_exception = False
    for path in ("/fails/rest", "/fails/plain"):
        answer = client.get(path)
        assert answer.status_code == 500
        assert_guarded(answer)


def test_the_frame_of_a_mail_has_its_own_policy(browser: Client) -> None:
    kept = SandboxMessage.objects.create(
        notification_id="0198f0c4-33cc-7d1e-8a30-7d6e5f4a3b20", channel="email", html="<b>x</b>"
    )
    answer = browser.get(f"/sandbox/{kept.pk}/html/")
    policy = directives(answer["Content-Security-Policy"])
    assert policy["default-src"] == ["'none'"]
    assert "sandbox" in policy
    assert "script-src" not in policy
    assert answer["X-Frame-Options"] == "SAMEORIGIN"


def test_hsts_is_sent_for_a_year_also_behind_a_tls_proxy(client: Client, settings: Any) -> None:
    assert "Strict-Transport-Security" not in client.get("/health/live")
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = settings.SECURE_HSTS_PRELOAD = True
    for path in ("/health/live", "/nowhere", "/static/admin/css/base.css"):
        answer = client.get(path)
        answer.close()
        said = answer["Strict-Transport-Security"]
        assert said == "max-age=31536000; includeSubDomains; preload"


def test_the_browsable_api_can_log_out_without_a_script(charlie: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(charlie)
    page = browser.get("/api/v1/", headers={"accept": "text/html"}).content.decode()
    _, found, form = page.partition('action="/api/auth/logout/"')
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', form)
    assert found
    assert token is not None
    browser.post("/api/auth/logout/", {"csrfmiddlewaretoken": token[1]})
    assert "_auth_user_id" not in browser.session
