"""Which addresses may be called: judged when registered, and at each connection."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from apps.webhooks import addresses
from apps.webhooks.addresses import RefusedUrlError, checked_url
from apps.webhooks.delivery.wire import Wire
from apps.webhooks.schedule import CallError
from tests.fakes.http_server import Answer
from tests.fakes.webhook_receiver import WebhookReceiver

PRIVATE = [
    "127.0.0.1",
    "127.8.9.10",
    "0.0.0.0",  # noqa: S104 - one that is refused.
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fc00::1",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2001:0:7f00:1::1",
    "2001:db8::1",
]


@pytest.fixture(autouse=True)
def public_only(settings: Settings, private_addresses: None) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = False


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_of_the_public_internet_is_refused(address: str) -> None:
    assert not addresses.allowed(address)
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(RefusedUrlError) as refused:
        checked_url(f"https://{host}/hook")
    assert refused.value.code == "address_not_allowed"


@pytest.mark.parametrize("address", ["93.184.215.14", "1.1.1.1", "2606:4700::1111"])
def test_a_public_address_is_allowed(address: str) -> None:
    assert addresses.allowed(address)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_alike_in_every_form(inner: Any) -> None:
    forms = [f"::ffff:{inner}", f"64:ff9b::{inner}"]
    if not addresses.is_public(inner):
        assert not any(addresses.allowed(form) for form in forms)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://example.com/hook", "https_needed"),
        ("ftp://example.com/hook", "https_needed"),
        ("example.com/hook", "invalid_url"),
        ("https://", "invalid_url"),
        ("https:///hook", "invalid_url"),
        ("https://user:secret@example.com/", "invalid_url"),
        ("https://user@example.com/", "invalid_url"),
        ("https://example.com/#part", "invalid_url"),
        ("https://example.com:0/", "invalid_url"),
        ("https://example.com:99999/", "invalid_url"),
        ("https://example.com\\@127.0.0.1/", "invalid_url"),
        ("https://exa mple.com/", "invalid_url"),
        ("https://example.com/\r\nHost: other", "invalid_url"),
        ("https://[::1/", "invalid_url"),
        ("https://bücher.example/", "invalid_url"),
        (f"https://example.com/{'a' * 2048}", "invalid_url"),
        ("https://localhost/", "address_not_allowed"),
        ("https://LOCALHOST./", "address_not_allowed"),
        ("https://redis/", "address_not_allowed"),
        ("https://metadata.google.internal/", "address_not_allowed"),
        ("https://printer.local/", "address_not_allowed"),
        ("https://app.localhost/", "address_not_allowed"),
        ("https://2130706433/", "address_not_allowed"),
        ("https://0x7f000001/", "address_not_allowed"),
    ],
)
def test_a_url_that_cannot_be_called_is_refused_with_its_reason(url: str, code: str) -> None:
    with pytest.raises(RefusedUrlError) as refused:
        checked_url(url)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hook?key=a",
        "https://xn--bcher-kva.example/",
        "https://example.com:8443/hook",
        "https://93.184.215.14/hook",
    ],
)
def test_a_public_url_is_stored_as_it_is(url: str) -> None:
    assert checked_url(url) == url


def _called(url: str, *, times: int = 1) -> list[Any]:
    async def call() -> list[Any]:
        wire = Wire()
        try:
            return [await wire.post(url, body=b"{}", headers={}) for _ in range(times)]
        finally:
            await wire.close()

    return asyncio.run(call())


Resolver = Callable[..., list[tuple[Any, ...]]]


def _resolving_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Let names have these addresses, one list for each question; return the names asked for."""
    asked: list[str] = []
    left = list(answers)

    def found(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        asked.append(host)
        now = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in now]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    return asked


@pytest.mark.parametrize("found", [["127.0.0.1"], ["93.184.215.14", "127.0.0.1"], ["10.1.2.3"]])
def test_a_name_with_a_private_address_is_not_called(
    monkeypatch: pytest.MonkeyPatch, receiver: WebhookReceiver, found: list[str]
) -> None:
    _resolving_to(monkeypatch, found)
    (answer,) = _called(f"https://hooks.example.com:{receiver.port}/hook")
    assert answer.error is CallError.ADDRESS_NOT_ALLOWED
    assert receiver.connections == 0


def test_a_name_that_was_public_is_judged_again_at_each_connection(
    monkeypatch: pytest.MonkeyPatch, receiver: WebhookReceiver, settings: Settings
) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = True
    asked = _resolving_to(monkeypatch, ["127.0.0.1"])
    url = f"http://hooks.example.com:{receiver.port}/hook"
    receiver.script = lambda _: Answer(status=200, headers={"Connection": "close"})
    (first,) = _called(url)
    assert first.status_code == 200
    settings.WEBHOOK_ALLOW_PRIVATE = False
    (second,) = _called(url)
    assert second.error is CallError.ADDRESS_NOT_ALLOWED
    assert (receiver.connections, len(asked)) == (1, 2)


def test_the_connection_goes_to_the_address_that_was_judged(
    monkeypatch: pytest.MonkeyPatch, receiver: WebhookReceiver, settings: Settings
) -> None:
    """A name is looked up once for a connection: there is no second answer to follow."""
    settings.WEBHOOK_ALLOW_PRIVATE = True
    asked = _resolving_to(monkeypatch, ["127.0.0.1"], ["203.0.113.1"])
    (answer,) = _called(f"http://hooks.example.com:{receiver.port}/hook")
    assert answer.status_code == 204
    assert asked == ["hooks.example.com"]
    assert receiver.received[0].headers["host"] == f"hooks.example.com:{receiver.port}"


def test_an_ip_address_in_the_url_is_judged_at_the_call_as_well(
    receiver: WebhookReceiver,
) -> None:
    (answer,) = _called(receiver.hook)
    assert answer.error is CallError.ADDRESS_NOT_ALLOWED
    assert receiver.connections == 0


@pytest.mark.parametrize(
    "host", ["127.1", "127.0.1", "127.0.0.1.", "0177.0.0.1", "0x7f.1", "127.0.0.01", "0.0"]
)
def test_an_odd_spelling_of_an_ip_address_is_refused_and_not_called(
    receiver: WebhookReceiver, host: str
) -> None:
    """The HTTP library takes digits and dots for an address, and asks no resolver."""
    with pytest.raises(RefusedUrlError):
        checked_url(f"https://{host}/hook")
    (answer,) = _called(f"http://{host}:{receiver.port}/hook")
    assert answer.error is CallError.ADDRESS_NOT_ALLOWED
    assert receiver.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_no_socket_is_made_for_a_private_address_even_if_nothing_else_has_judged_it(
    monkeypatch: pytest.MonkeyPatch, receiver: WebhookReceiver, host: str
) -> None:
    monkeypatch.setattr(addresses, "refuse_private_host", lambda _: None)
    (answer,) = _called(f"http://{host}:{receiver.port}/hook")
    assert answer.error is CallError.ADDRESS_NOT_ALLOWED
    assert receiver.connections == 0


def test_a_proxy_of_the_environment_is_not_used(
    monkeypatch: pytest.MonkeyPatch, receiver: WebhookReceiver, settings: Settings
) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = True
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    (answer,) = _called(receiver.hook)
    assert answer.status_code == 204


def test_a_name_without_an_address_is_an_answer_of_its_own(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    def nothing(*_: Any, **__: Any) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nothing)
    (answer,) = _called("https://hooks.example.com/hook")
    assert answer.error is CallError.NAME_NOT_RESOLVED
