"""SMTP sessions with TLS and a login: what cannot be sent securely is not sent."""

import ssl
from pathlib import Path

import pytest
import trustme
from pytest_django.fixtures import Settings

from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.smtp.provider import SmtpProvider
from tests.fakes.fixtures import point_at_smtp
from tests.fakes.messages import a_mail
from tests.fakes.smtp_server import SmtpServer


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_context(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def trust(settings: Settings, authority: trustme.CA, tmp_path: Path) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    settings.SMTP_CA_FILE = str(tmp_path / "ca.pem")


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
def test_mail_is_sent_over_verified_tls(
    smtp: SmtpProvider, settings: Settings, authority: trustme.CA, tmp_path: Path, mode: str
) -> None:
    with SmtpServer(tls=mode, context=server_context(authority, "localhost")) as server:
        point_at_smtp(settings, server)
        trust(settings, authority, tmp_path)

        reply = smtp.send(a_mail())
        smtp.close()

    assert reply.outcome is Outcome.ACCEPTED
    assert server.mails[0].tls is True


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
@pytest.mark.parametrize(("name", "trusted"), [("localhost", False), ("other.example", True)])
def test_a_certificate_that_cannot_be_verified_is_a_configuration_error(
    smtp: SmtpProvider,
    settings: Settings,
    authority: trustme.CA,
    tmp_path: Path,
    mode: str,
    name: str,
    *,
    trusted: bool,
) -> None:
    with SmtpServer(tls=mode, context=server_context(authority, name)) as server:
        point_at_smtp(settings, server)
        if trusted:
            trust(settings, authority, tmp_path)

        reply = smtp.send(a_mail())

    assert (reply.outcome, reply.reason) == (Outcome.CONFIGURATION, "certificate")
    assert server.mails == []


def test_mail_is_never_sent_in_clear_text_when_starttls_is_missing(
    smtp: SmtpProvider, smtp_server: SmtpServer, settings: Settings
) -> None:
    settings.SMTP_TLS = "starttls"

    reply = smtp.send(a_mail())

    assert (reply.outcome, reply.reason) == (Outcome.CONFIGURATION, "starttls")
    assert smtp_server.mails == []


def test_a_missing_authority_file_is_a_configuration_error(
    smtp: SmtpProvider, smtp_server: SmtpServer, settings: Settings
) -> None:
    settings.SMTP_TLS, settings.SMTP_CA_FILE = "implicit", "/nowhere/ca.pem"

    reply = smtp.send(a_mail())

    assert (reply.outcome, reply.reason) == (Outcome.CONFIGURATION, "settings")
    assert smtp_server.connections == 0


@pytest.mark.parametrize(
    ("password", "outcome"),
    [
        ("secret", Outcome.ACCEPTED),
        ("wrong", Outcome.CONFIGURATION),
        ("pässword", Outcome.CONFIGURATION),
    ],
)
def test_a_mail_is_sent_only_with_the_right_password(
    smtp: SmtpProvider, settings: Settings, password: str, outcome: Outcome
) -> None:
    with SmtpServer(users={"alice": "secret"}) as server:
        point_at_smtp(settings, server)
        settings.SMTP_USERNAME, settings.SMTP_PASSWORD = "alice", password

        reply = smtp.send(a_mail())
        smtp.close()

    assert reply.outcome is outcome
    assert len(server.mails) == (outcome is Outcome.ACCEPTED)


def test_a_login_that_the_server_does_not_offer_is_a_configuration_error(
    smtp: SmtpProvider, smtp_server: SmtpServer, settings: Settings
) -> None:
    settings.SMTP_USERNAME = settings.SMTP_PASSWORD = "alice"

    reply = smtp.send(a_mail())

    assert (reply.outcome, reply.reason) == (Outcome.CONFIGURATION, "settings")
    assert smtp_server.mails == []


def test_a_password_is_never_sent_in_clear_text(smtp: SmtpProvider, settings: Settings) -> None:
    settings.SMTP_HOST, settings.SMTP_TLS = "mail.example.com", "none"
    settings.SMTP_USERNAME = settings.SMTP_PASSWORD = "alice"

    reply = smtp.send(a_mail())

    assert (reply.outcome, reply.reason) == (Outcome.CONFIGURATION, "settings")
    assert "SMTP_TLS" in reply.detail
