"""The contract that every registered provider fulfils, tested over its own protocol.

For a new provider, add its stand to ``provider_stands``.
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
from tests.contracts.provider_stands import (
    STANDS,
    FcmStand,
    SandboxStand,
    Stand,
    Wire,
)
from tests.fakes.messages import a_mail, a_push

pytestmark = pytest.mark.django_db

OUTCOMES = {
    Wire.BUSY: Outcome.TRANSIENT,
    Wire.REFUSES: Outcome.REJECTED,
    Wire.NO_SUCH_ADDRESS: Outcome.DEAD_ADDRESS,
    Wire.BAD_CREDENTIALS: Outcome.CONFIGURATION,
    Wire.RATE_LIMITED: Outcome.RATE_LIMITED,
    Wire.HANGS: Outcome.UNKNOWN,
    Wire.AWAY: Outcome.TRANSIENT,
    Wire.DROPS_AFTER_HANDOVER: Outcome.UNKNOWN,
    Wire.TALKS_NONSENSE: Outcome.UNKNOWN,
}


ON_A_WIRE = tuple(stand for stand in STANDS if not issubclass(stand, SandboxStand))
MISBEHAVIOURS = [
    pytest.param(stand, wire, id=f"{'-'.join(stand.key)}-{wire}")
    for stand in STANDS
    for wire in Wire
    if wire in stand.plays
]


def name_of(stand: type[Stand]) -> str:
    return "-".join(stand.key)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(params=STANDS, ids=name_of)
def stand(
    request: pytest.FixtureRequest, stack: ExitStack, settings: Settings, tmp_path: Path
) -> Stand:
    made: Stand = request.param(stack, settings, tmp_path)
    return made


@pytest.fixture(params=ON_A_WIRE, ids=name_of)
def wired(
    request: pytest.FixtureRequest, stack: ExitStack, settings: Settings, tmp_path: Path
) -> Stand:
    made: Stand = request.param(stack, settings, tmp_path)
    return made


def soon() -> float:
    return time.monotonic() + 10


def test_every_registered_provider_has_a_stand() -> None:
    registered = {(channel, name) for channel, names in PROVIDERS.items() for name in names}
    assert {stand.key for stand in STANDS} == registered


def test_a_provider_has_its_name_and_channel(stand: Stand) -> None:
    assert (stand.provider.channel, stand.provider.name) == stand.key


def test_a_message_is_accepted_and_arrives_with_its_ids(stand: Stand) -> None:
    message = stand.message()

    reply = stand.provider.send(message)

    assert reply.outcome is Outcome.ACCEPTED
    assert reply.provider_message_id
    (arrived,) = stand.arrived()
    assert arrived.notification_id == message.notification_id
    assert arrived.correlation_id == "corr-1"


@pytest.mark.parametrize(("kind", "wire"), MISBEHAVIOURS)
def test_each_fault_of_the_remote_side_has_its_outcome_and_raises_nothing(
    kind: type[Stand], wire: Wire, stack: ExitStack, settings: Settings, tmp_path: Path
) -> None:
    stand = kind(stack, settings, tmp_path)
    message = stand.message(wire)

    reply = stand.provider.send(message)

    assert reply.outcome is OUTCOMES[wire]
    assert reply.code
    recipient = getattr(message, "token", None) or message.recipient
    assert recipient not in reply.detail


def test_only_the_sandbox_confirms_the_delivery(stand: Stand) -> None:
    reply = stand.provider.send(stand.message())

    assert reply.delivered is isinstance(stand, SandboxStand)


def test_the_replies_of_a_chunk_are_in_its_order(stand: Stand) -> None:
    messages = [stand.message() for _ in range(30)]

    replies = stand.provider.send_all(messages, until=soon())

    assert [reply and reply.outcome for reply in replies] == [Outcome.ACCEPTED] * 30
    ids = {arrived.notification_id for arrived in stand.arrived()}
    assert ids == {message.notification_id for message in messages}


def test_no_call_begins_after_the_deadline(stand: Stand) -> None:
    messages = [stand.message() for _ in range(3)]

    replies = stand.provider.send_all(messages, until=time.monotonic())

    assert replies == [None, None, None]
    assert stand.arrived() == []


def test_an_empty_chunk_has_no_replies(stand: Stand) -> None:
    assert stand.provider.send_all([], until=soon()) == []


def test_a_second_copy_has_the_same_mark(stand: Stand) -> None:
    message = stand.message()

    stand.provider.send(message)
    stand.provider.send(message)

    first, second = stand.arrived()
    assert first.mark == second.mark
    assert str(message.notification_id) in first.mark


def test_connections_are_reused(wired: Stand) -> None:
    for _ in range(5):
        wired.provider.send(wired.message())

    assert wired.connections() == 1


def test_a_chunk_opens_no_more_connections_than_threads(wired: Stand) -> None:
    for _ in range(3):
        wired.provider.send_all([wired.message() for _ in range(40)], until=soon())

    assert wired.connections() <= wired.provider.threads


def test_a_closed_provider_can_be_used_again(stand: Stand) -> None:
    stand.provider.send_all([stand.message() for _ in range(3)], until=soon())
    stand.provider.close()

    replies = stand.provider.send_all([stand.message() for _ in range(3)], until=soon())

    assert [reply and reply.outcome for reply in replies] == [Outcome.ACCEPTED] * 3


def test_a_server_is_used_again_after_an_outage(wired: Stand) -> None:
    wired.provider.send(wired.message())
    server: Any = wired.server  # type: ignore[attr-defined]  # Only the sandbox has none.
    server.stop_serving()
    refused = wired.provider.send(wired.message())
    server.serve_again()

    reply = wired.provider.send(wired.message())

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
    stand = FcmStand(stack, settings, tmp_path)
    stand.provider.send(stand.message())
    assert isinstance(stand.provider, FcmProvider)
    line = stand.provider._line
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
