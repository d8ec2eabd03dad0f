"""Each process has one instance of each provider."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pytest_django.fixtures import Settings

from apps.notifications.providers.registry import close_all, provider, providers_for
from apps.notifications.providers.sandbox import SandboxMail, SandboxPush


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    close_all()
    yield
    close_all()


def test_threads_share_one_instance() -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: provider("smtp", channel="email"), range(50)))

    assert len(found) == 1


def test_the_sandbox_serves_both_channels() -> None:
    assert isinstance(provider("sandbox", channel="email"), SandboxMail)
    assert isinstance(provider("sandbox", channel="push"), SandboxPush)


@pytest.mark.parametrize(
    ("name", "channel"), [("fcm", "email"), ("pigeon", "push"), ("smtp", "fax")]
)
def test_an_unknown_provider_is_named(name: str, channel: str) -> None:
    with pytest.raises(LookupError, match=name):
        provider(name, channel=channel)


def test_after_closing_a_new_instance_is_made() -> None:
    before = provider("sandbox", channel="email")
    close_all()

    assert provider("sandbox", channel="email") is not before


def test_the_settings_give_the_order_of_the_providers(settings: Settings) -> None:
    settings.EMAIL_PROVIDERS, settings.PUSH_PROVIDERS = ["smtp", "sendgrid"], ["fcm"]

    assert providers_for("email") == ("smtp", "sendgrid")
    assert providers_for("push") == ("fcm",)
    with pytest.raises(LookupError, match="fax"):
        providers_for("fax")


def test_a_forked_process_makes_its_own_instance() -> None:
    mine = provider("sandbox", channel="email")
    child = os.fork()
    if child == 0:
        os._exit(0 if provider("sandbox", channel="email") is not mine else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
