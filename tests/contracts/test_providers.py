"""The contract that every registered provider fulfils, tested over its own protocol.

For a new provider, add its setup to ``provider_setups``.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import urllib3
from firebase_admin import credentials, initialize_app, messaging
from pytest_django.fixtures import Settings

from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.base import Reply
from apps.notifications.providers.fcm import client
from apps.notifications.providers.fcm.provider import FcmProvider
from apps.notifications.providers.registry import PROVIDERS
from apps.notifications.providers.sendgrid import SendGridProvider
from apps.notifications.providers.smtp.provider import SmtpProvider
from tests.contracts.provider_setups import (
    LONG_SECONDS,
    SETUPS,
    SHORT_SECONDS,
    Fault,
    FcmSetup,
    ProviderSetup,
    SandboxSetup,
)
from tests.fakes.messages import a_mail, a_push

pytestmark = pytest.mark.django_db

OUTCOMES = {
    Fault.BUSY: Outcome.TRANSIENT,
    Fault.REFUSES: Outcome.REJECTED,
    Fault.NO_SUCH_ADDRESS: Outcome.DEAD_ADDRESS,
    Fault.BAD_CREDENTIALS: Outcome.CONFIGURATION,
    Fault.RATE_LIMITED: Outcome.RATE_LIMITED,
    Fault.HANGS: Outcome.UNKNOWN,
    Fault.AWAY: Outcome.TRANSIENT,
    Fault.DROPS_AFTER_HANDOVER: Outcome.UNKNOWN,
    Fault.TALKS_NONSENSE: Outcome.UNKNOWN,
}


OVER_THE_NETWORK = tuple(setup for setup in SETUPS if not issubclass(setup, SandboxSetup))
FAULTS = [
    pytest.param(setup, fault, id=f"{'-'.join(setup.key)}-{fault}")
    for setup in SETUPS
    for fault in Fault
    if fault in setup.faults
]


def name_of(setup: type[ProviderSetup]) -> str:
    return "-".join(setup.key)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(params=SETUPS, ids=name_of)
def setup(
    request: pytest.FixtureRequest, stack: ExitStack, settings: Settings, tmp_path: Path
) -> ProviderSetup:
    made: ProviderSetup = request.param(stack, settings, tmp_path)
    return made


@pytest.fixture(params=OVER_THE_NETWORK, ids=name_of)
def networked(
    request: pytest.FixtureRequest, stack: ExitStack, settings: Settings, tmp_path: Path
) -> ProviderSetup:
    made: ProviderSetup = request.param(stack, settings, tmp_path)
    return made


def soon() -> float:
    return time.monotonic() + 10


def test_every_registered_provider_has_a_stand() -> None:
    registered = {(channel, name) for channel, names in PROVIDERS.items() for name in names}
    assert {setup.key for setup in SETUPS} == registered


def test_a_provider_has_its_name_and_channel(setup: ProviderSetup) -> None:
    assert (setup.provider.channel, setup.provider.name) == setup.key


def test_a_message_is_accepted_and_arrives_with_its_ids(setup: ProviderSetup) -> None:
    message = setup.message()

    reply = setup.provider.send(message)

    assert reply.outcome is Outcome.ACCEPTED
    assert reply.provider_message_id
    (arrived,) = setup.received()
    assert arrived.notification_id == message.notification_id
    assert arrived.correlation_id == "corr-1"


@pytest.mark.parametrize(("kind", "fault"), FAULTS)
def test_each_fault_of_the_remote_side_has_its_outcome_and_raises_nothing(
    kind: type[ProviderSetup], fault: Fault, stack: ExitStack, settings: Settings, tmp_path: Path
) -> None:
    timeout = SHORT_SECONDS if fault is Fault.HANGS else LONG_SECONDS
    setup = kind(stack, settings, tmp_path, timeout=timeout)
    message = setup.message(fault)

    reply = setup.provider.send(message)

    assert reply.outcome is OUTCOMES[fault]
    assert reply.code
    recipient = getattr(message, "token", None) or message.recipient
    assert recipient not in reply.detail


def test_only_the_sandbox_confirms_the_delivery(setup: ProviderSetup) -> None:
    reply = setup.provider.send(setup.message())

    assert reply.delivered is isinstance(setup, SandboxSetup)


def test_the_replies_of_a_chunk_are_in_its_order(setup: ProviderSetup) -> None:
    messages = [setup.message() for _ in range(30)]

    replies = setup.provider.send_all(messages, until=soon())

    assert [reply and reply.outcome for reply in replies] == [Outcome.ACCEPTED] * 30
    ids = {arrived.notification_id for arrived in setup.received()}
    assert ids == {message.notification_id for message in messages}


def test_no_call_begins_after_the_deadline(setup: ProviderSetup) -> None:
    messages = [setup.message() for _ in range(3)]

    replies = setup.provider.send_all(messages, until=time.monotonic())

    assert replies == [None, None, None]
    assert setup.received() == []


def test_an_empty_chunk_has_no_replies(setup: ProviderSetup) -> None:
    assert setup.provider.send_all([], until=soon()) == []


def test_a_second_copy_has_the_same_mark(setup: ProviderSetup) -> None:
    message = setup.message()

    setup.provider.send(message)
    setup.provider.send(message)

    first, second = setup.received()
    assert first.mark == second.mark
    assert str(message.notification_id) in first.mark


def test_connections_are_reused(networked: ProviderSetup) -> None:
    for _ in range(5):
        networked.provider.send(networked.message())

    assert networked.connections() == 1


def test_a_chunk_opens_no_more_connections_than_threads(networked: ProviderSetup) -> None:
    for _ in range(3):
        networked.provider.send_all([networked.message() for _ in range(40)], until=soon())

    assert networked.connections() <= networked.provider.threads


def test_a_closed_provider_can_be_used_again(setup: ProviderSetup) -> None:
    setup.provider.send_all([setup.message() for _ in range(3)], until=soon())
    setup.provider.close()

    replies = setup.provider.send_all([setup.message() for _ in range(3)], until=soon())

    assert [reply and reply.outcome for reply in replies] == [Outcome.ACCEPTED] * 3


def test_a_server_is_used_again_after_an_outage(networked: ProviderSetup) -> None:
    networked.provider.send(networked.message())
    server: Any = networked.server  # type: ignore[attr-defined]  # Only the sandbox has none.
    server.stop_serving()
    refused = networked.provider.send(networked.message())
    server.serve_again()

    reply = networked.provider.send(networked.message())

    # A kept connection that breaks before the answer arrives leaves the outcome unknown.
    assert refused.outcome in {Outcome.TRANSIENT, Outcome.UNKNOWN}
    assert reply.outcome is Outcome.ACCEPTED


def test_a_provider_without_settings_is_a_configuration_error(settings: Settings) -> None:
    settings.SMTP_HOST = settings.SENDGRID_API_KEY = settings.FCM_SERVICE_ACCOUNT_FILE = ""

    replies: list[Reply] = [
        SmtpProvider().send(a_mail()),
        SendGridProvider().send(a_mail()),
        FcmProvider().send(a_push()),
    ]

    assert [reply.outcome for reply in replies] == [Outcome.CONFIGURATION] * 3
    assert [reply.reason for reply in replies] == ["settings"] * 3


def test_the_library_internals_that_the_fcm_client_uses_still_exist(
    stack: ExitStack, settings: Settings, tmp_path: Path
) -> None:
    setup = FcmSetup(stack, settings, tmp_path)
    setup.provider.send(setup.message())
    assert isinstance(setup.provider, FcmProvider)
    line = setup.provider._line
    assert line is not None

    # The URL and the headers are those of the library, where they are private.
    assert messaging._MessagingService.FCM_URL.endswith("/v1/projects/{0}/messages:send")
    service = messaging._MessagingService(
        initialize_app(credentials.Certificate(settings.FCM_SERVICE_ACCOUNT_FILE), name="contract")
    )
    assert service._fcm_headers.items() <= client.HEADERS.items()
    # requests creates the pool for subclasses of its adapter, and urllib3 retries nothing.
    assert isinstance(line._pool, urllib3.HTTPConnectionPool)
    assert line._target == "/v1/projects/fake-project/messages:send"
    assert line._pool.num_connections == 1
