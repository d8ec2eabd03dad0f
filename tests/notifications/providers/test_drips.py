"""Servers that send a few bytes now and then: each call ends at its deadline, with its outcome.

Such a drip goes on for 50 s or more. A call that ended before shows in what the server sent: much
less than everything.
"""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import trustme
from google.auth.exceptions import TransportError
from pytest_django.fixtures import Settings

from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.deadline import Address, deadline, resolve_by_system
from apps.notifications.providers.fcm.client import FcmClient
from apps.notifications.providers.fcm.provider import FcmProvider
from apps.notifications.providers.sendgrid import SendGridProvider
from apps.notifications.providers.smtp.provider import SmtpProvider
from tests.fakes.fcm_server import EVERY_TOKEN, FcmServer
from tests.fakes.fixtures import point_at_smtp
from tests.fakes.http_server import Answer, json_answer
from tests.fakes.messages import a_mail, a_push
from tests.fakes.sendgrid_server import API_KEY, SendGridServer
from tests.fakes.silent_server import SilentServer, swallowing_address
from tests.fakes.smtp_server import DRIP, DRIP_LINES, Conversation, SmtpServer

SECONDS = 0.4
# Long enough that no test receives all of it.
LONG = b"x" * 1000
DRIP_OF_HTTP = 0.05


@pytest.fixture
def smtp() -> Iterator[SmtpProvider]:
    provider = SmtpProvider(timeout=SECONDS, reply_timeout=SECONDS)
    yield provider
    provider.close()


@pytest.fixture
def sendgrid() -> Iterator[SendGridProvider]:
    provider = SendGridProvider(timeout=SECONDS)
    yield provider
    provider.close()


@pytest.fixture
def fcm() -> Iterator[FcmProvider]:
    provider = FcmProvider(timeout=SECONDS)
    yield provider
    provider.close()


@pytest.fixture
def silent() -> Iterator[SilentServer]:
    with SilentServer() as server:
        yield server


@pytest.mark.parametrize(
    ("stage", "code", "outcome"),
    [
        ("connect", "220", Outcome.TRANSIENT),
        ("ehlo", "250", Outcome.TRANSIENT),
        ("mail", "250", Outcome.TRANSIENT),
        ("rcpt", "250", Outcome.TRANSIENT),
        ("data", "354", Outcome.TRANSIENT),
        ("end", "250", Outcome.UNKNOWN),
    ],
)
def test_endless_continuation_lines_are_read_only_until_the_deadline(
    smtp: SmtpProvider, smtp_server: SmtpServer, stage: str, code: str, outcome: Outcome
) -> None:
    smtp_server.answer(stage, DRIP + code)

    reply = smtp.send(a_mail())

    assert (reply.outcome, reply.reason) == (outcome, "connection")
    assert 0 < smtp_server.lines_dripped < DRIP_LINES
    assert len(smtp_server.mails) == (outcome is Outcome.UNKNOWN)


@pytest.mark.parametrize("stage", ["noop", "rset"])
def test_a_kept_session_that_drips_is_replaced(
    smtp: SmtpProvider, smtp_server: SmtpServer, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.notifications.providers.smtp.session.IDLE_CHECK_SECONDS", 0.0)
    monkeypatch.setattr("apps.notifications.providers.smtp.session.CHECK_SECONDS", SECONDS / 4)
    if stage == "rset":
        smtp_server.answer("rcpt", "450 4.2.0 Busy", times=1)
    smtp_server.answer(stage, DRIP + "250")
    smtp.send(a_mail())

    # Enough time is left for a new session.
    assert smtp.send(a_mail()).outcome is Outcome.ACCEPTED
    assert smtp_server.connections == 2
    assert 0 < smtp_server.lines_dripped < DRIP_LINES


def test_a_tls_handshake_of_smtp_that_stalls_is_transient(
    smtp: SmtpProvider, silent: SilentServer, settings: Settings
) -> None:
    settings.SMTP_HOST, settings.SMTP_PORT, settings.SMTP_TLS = silent.host, silent.port, "implicit"
    settings.SMTP_USERNAME = ""

    assert smtp.send(a_mail()).outcome is Outcome.TRANSIENT


class StallsAtStarttls(SmtpServer):
    """Announces TLS and then never starts the handshake."""

    async def _on_starttls(self, talk: Conversation, _: str) -> None:
        await self._say("starttls", talk, "220 2.0.0 Go ahead")
        await asyncio.sleep(3600)


def test_a_handshake_after_starttls_that_stalls_is_transient(
    smtp: SmtpProvider, settings: Settings
) -> None:
    with StallsAtStarttls(tls="starttls") as server:
        point_at_smtp(settings, server)

        assert smtp.send(a_mail()).outcome is Outcome.TRANSIENT

    assert server.conversations[0].commands == ["EHLO", "STARTTLS"]


def test_calls_with_replies_that_drip_through_tls_end_as_well(
    smtp: SmtpProvider, settings: Settings, tmp_path: Path
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with SmtpServer(tls="implicit", context=context) as server:
        point_at_smtp(settings, server)
        settings.SMTP_CA_FILE = str(tmp_path / "ca.pem")
        server.answer("rcpt", DRIP + "250")

        assert smtp.send(a_mail()).outcome is Outcome.TRANSIENT

    assert 0 < server.lines_dripped < DRIP_LINES


def test_a_mail_that_the_server_does_not_read_is_transient(
    smtp: SmtpProvider, smtp_server: SmtpServer
) -> None:
    async def stop_reading(talk: Conversation, _: str) -> None:
        talk.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await smtp_server._say("data", talk, "354 Go on")
        await asyncio.sleep(3600)

    smtp_server._on_data = stop_reading  # type: ignore[method-assign]

    reply = smtp.send(a_mail(html=None, text="a line of text\n" * 1_500_000))

    assert reply.outcome is Outcome.TRANSIENT
    assert smtp_server.mails == []


def test_the_second_address_of_a_server_is_reached_within_the_call(
    smtp_server: SmtpServer,
) -> None:
    with swallowing_address() as swallowing:

        def resolve(host: str, port: int) -> Sequence[Address]:
            answering = resolve_by_system("127.0.0.1", port)
            return [(*row[:4], swallowing) for row in answering] + list(answering)

        provider = SmtpProvider(timeout=3.0, resolve=resolve)
        reply = provider.send(a_mail())
        provider.close()

    assert reply.outcome is Outcome.ACCEPTED


def test_an_answer_of_sendgrid_that_drips_before_its_status_is_read_is_unknown(
    sendgrid: SendGridProvider, sendgrid_server: SendGridServer
) -> None:
    slow = {"X-Slow": LONG.decode()}
    answer = Answer(status=202, headers=slow, drip=DRIP_OF_HTTP, taken=True)
    sendgrid_server.answer("bob@example.com", answer)

    assert sendgrid.send(a_mail()).outcome is Outcome.UNKNOWN
    assert len(sendgrid_server.mails) == 1
    assert sendgrid_server.bytes_dripped < len(LONG)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(202, Outcome.ACCEPTED), (400, Outcome.REJECTED), (503, Outcome.TRANSIENT)],
)
def test_the_status_of_sendgrid_counts_although_its_body_drips(
    sendgrid: SendGridProvider, sendgrid_server: SendGridServer, status: int, outcome: Outcome
) -> None:
    answer = Answer(status=status, body=LONG, drip=DRIP_OF_HTTP, drip_from="body")
    sendgrid_server.answer("bob@example.com", answer)

    reply = sendgrid.send(a_mail())

    assert (reply.outcome, reply.code) == (outcome, str(status))
    assert sendgrid_server.bytes_dripped < len(LONG)


@pytest.mark.parametrize("begins", ["status", "body"])
def test_an_answer_of_fcm_that_drips_is_unknown(
    fcm: FcmProvider, fcm_server: FcmServer, begins: str
) -> None:
    answer = Answer(body=LONG, drip=DRIP_OF_HTTP, taken=True)
    answer.drip_from = "body" if begins == "body" else "status"
    fcm_server.answer(EVERY_TOKEN, answer)

    assert fcm.send(a_push()).outcome is Outcome.UNKNOWN
    assert len(fcm_server.messages) == 1
    assert fcm_server.bytes_dripped < len(LONG)


def test_a_token_that_drips_ends_the_call_and_nothing_is_sent(
    fcm: FcmProvider, fcm_server: FcmServer
) -> None:
    fcm_server.token_answers = [Answer(body=LONG, drip=DRIP_OF_HTTP)]

    reply = fcm.send(a_push())

    assert (reply.outcome, reply.reason) == (Outcome.TRANSIENT, "token_exchange")
    assert fcm_server.requests == 0
    assert fcm_server.bytes_dripped < len(LONG)


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_a_busy_token_endpoint_is_called_once_in_a_call(
    fcm: FcmProvider, fcm_server: FcmServer, status: int
) -> None:
    fcm_server.token_answers = [json_answer(status, {"error": "backend_error"})] * 3

    assert fcm.send(a_push()).outcome is Outcome.TRANSIENT
    assert fcm_server.exchanges == 1


def test_a_thread_that_waits_for_the_token_exchange_of_another_ends_at_its_deadline(
    fcm_server: FcmServer, settings: Settings
) -> None:
    fcm_server.token_answers = [Answer(hang=True)]
    key_file = Path(settings.FCM_SERVICE_ACCOUNT_FILE)
    line = FcmClient(url=fcm_server.url, key_file=key_file, connections=1, timeout=30.0)
    ended = threading.Event()

    def exchange() -> None:
        with deadline(30.0), contextlib.suppress(TransportError):
            line.authorize()
        ended.set()

    first = threading.Thread(target=exchange)
    first.start()
    while not fcm_server.exchanges:
        ended.wait(0.01)

    with deadline(SECONDS), pytest.raises(TransportError, match="Another thread"):
        line.authorize()
    assert not ended.is_set()
    fcm_server.stop_serving()
    first.join()
    line.close()
    fcm_server.serve_again()


@pytest.mark.parametrize("name", ["sendgrid", "fcm"])
def test_a_tls_handshake_that_stalls_is_transient(
    name: str,
    sendgrid: SendGridProvider,
    fcm: FcmProvider,
    fcm_server: FcmServer,
    silent: SilentServer,
    settings: Settings,
) -> None:
    settings.SENDGRID_API_KEY = API_KEY
    settings.SENDGRID_API_URL = settings.FCM_API_URL = f"https://{silent.host}:{silent.port}"

    reply = sendgrid.send(a_mail()) if name == "sendgrid" else fcm.send(a_push())

    assert (reply.outcome, reply.reason) == (Outcome.TRANSIENT, "connection")


def test_a_body_that_was_not_sent_whole_is_transient(
    sendgrid: SendGridProvider, silent: SilentServer, settings: Settings
) -> None:
    settings.SENDGRID_API_KEY = API_KEY
    settings.SENDGRID_API_URL = f"http://{silent.host}:{silent.port}"

    reply = sendgrid.send(a_mail(html=None, text="a line of text\n" * 1_500_000))

    assert (reply.outcome, reply.reason) == (Outcome.TRANSIENT, "connection")


def test_a_body_that_was_sent_whole_and_never_answered_is_unknown(
    sendgrid: SendGridProvider, silent: SilentServer, settings: Settings
) -> None:
    settings.SENDGRID_API_KEY = API_KEY
    settings.SENDGRID_API_URL = f"http://{silent.host}:{silent.port}"

    assert sendgrid.send(a_mail()).outcome is Outcome.UNKNOWN
