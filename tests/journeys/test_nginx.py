"""Behind a real nginx that ends TLS, links and logins are those of ``PUBLIC_URL``."""

import json
import re
import shutil
import signal
import ssl
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.journeys.checkout import Checkout
from tests.journeys.http import until
from tests.journeys.processes import Process, free_port

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(120)]

CONFIGURATION = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {folder}/server.pem;
        ssl_certificate_key {folder}/server.pem;
        location / {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            client_max_body_size 1g;
        }}
    }}
}}
"""


class Browser:
    """Requests through nginx, with cookies."""

    def __init__(self, base: str, authority: trustme.CA) -> None:
        self.base = base
        context = ssl.create_default_context()
        authority.configure_trust(context)
        self.cookies = CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context),
            urllib.request.HTTPCookieProcessor(self.cookies),
        )

    def open(self, path: str, *, form: dict[str, str] | None = None, key: str = "") -> Any:
        data = None if form is None else urllib.parse.urlencode(form).encode()
        given = {"Referer": f"{self.base}{path}"}
        given |= {"Authorization": f"Api-Key {key}"} if key else {}
        request = urllib.request.Request(f"{self.base}{path}", data, given)  # noqa: S310 - loopback.
        return self._opener.open(request, timeout=10)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


@pytest.fixture
def browser(checkout: Checkout, tmp_path: Path) -> Iterator[Browser]:
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        pytest.fail("nginx is missing: docker/services.sh nginx")
    port, authority = free_port(), trustme.CA()
    folder = tmp_path / "nginx"
    folder.mkdir()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        folder / "server.pem"
    )
    names = {"folder": folder, "port": port, "upstream": checkout.port}
    (folder / "nginx.conf").write_text(CONFIGURATION.format(**names))
    base = f"https://127.0.0.1:{port}"
    ours = checkout.run(PUBLIC_URL=base, TRUSTED_PROXIES="127.0.0.1")
    proxy = Process(
        program, "-c", str(folder / "nginx.conf"), "-p", str(folder), log=folder / "log", env={}
    )
    found = Browser(base, authority)
    try:
        until(lambda: _answers(found), within=20, what="nginx to answer")
        yield found
    finally:
        proxy.kill()
        ours.signal_group(signal.SIGINT)
        ours.stop()


def _answers(browser: Browser) -> bool:
    try:
        return bool(browser.open("/health/live").status == 200)
    except OSError:
        return False


def test_links_to_further_pages_lead_through_the_proxy(
    checkout: Checkout, browser: Browser
) -> None:
    key = checkout.api.key
    body: dict[str, Any] = {
        "notification_type": "email",
        "user_id": checkout.printed(r"Demo user +(\S+)"),
        "template_code": "welcome",
        "variables": {"name": "Ada", "link": "https://example.com"},
    }
    for _ in range(2):
        assert checkout.api.call("POST", "/api/v1/notifications/", body).status == 202

    first = json.load(browser.open("/api/v1/notifications/?page_size=1", key=key))
    assert first["next"].startswith(f"{browser.base}/api/v1/notifications/?")

    second = json.load(browser.open(first["next"].removeprefix(browser.base), key=key))
    assert [len(page["results"]) for page in (first, second)] == [1, 1]
    assert second["previous"].startswith(f"{browser.base}/api/v1/notifications/?")


def test_staff_log_in_through_the_proxy_with_secure_cookies(
    checkout: Checkout, browser: Browser
) -> None:
    address, password = re.findall(r"Admin +\S+ +(\S+) / (\S+)", checkout.log.read_text())[-1]
    page = browser.open("/admin/login/?next=/admin/").read().decode()
    token = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[0]

    form = {"csrfmiddlewaretoken": token, "username": address, "password": password}
    answer = browser.open("/admin/login/?next=/admin/", form=form)

    assert answer.url == f"{browser.base}/admin/"
    assert all(cookie.secure for cookie in browser.cookies)
