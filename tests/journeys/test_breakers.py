"""An unreachable provider is not called: the next one is used, or the notification waits."""

from collections.abc import Iterator

import pytest

from tests.fakes.sendgrid_server import API_KEY, SendGridServer
from tests.journeys.http import Api, until
from tests.journeys.installation import Installation

pytestmark = [pytest.mark.services, pytest.mark.timeout(120)]


def force(api: Api, state: str) -> None:
    answer = api.call("POST", "/api/v1/providers/smtp/breaker", {"state": state})
    assert answer.status == 200, answer.body


def breaker(api: Api) -> str:
    services = api.call("GET", "/api/v1/services/").body
    smtp = next(provider for provider in services["providers"] if provider["name"] == "smtp")
    return str(smtp["breakers"][0]["state"])


@pytest.fixture
def closed_again(installation: Installation, api: Api) -> Iterator[None]:
    """Reset the breakers afterwards, so that none is open in later tests."""
    yield
    force(api, "auto")
    answer = api.call("POST", "/api/v1/providers/sendgrid/breaker", {"state": "auto"})
    assert answer.status == 200


@pytest.fixture
def sendgrid(installation: Installation, closed_again: None) -> Iterator[SendGridServer]:
    """Let the email worker send by SMTP, and by SendGrid when SMTP is unreachable."""
    with SendGridServer() as server:
        installation.processes["email"].stop()
        installation.start(
            "email",
            EMAIL_PROVIDERS="smtp,sendgrid",
            SENDGRID_API_KEY=API_KEY,
            SENDGRID_API_URL=server.url,
        )
        yield server
        installation.processes["email"].stop()
        installation.start("email")


def test_the_next_provider_is_used_until_the_first_one_is_reachable_again(
    installation: Installation, api: Api, sendgrid: SendGridServer
) -> None:
    template, alice = api.mail_template(), api.user("alice")
    installation.smtp.stop_serving()
    try:
        ids = [api.send("email", alice, template) for _ in range(40)]
        assert set(api.all_ended(ids, within=60)) == {"sent"}
        assert breaker(api) in {"open", "half_open"}
        by_sendgrid = sendgrid.stats()["mails"]
        assert by_sendgrid == 40
    finally:
        installation.smtp.serve_again()

    def sent_by_smtp() -> bool:
        status = api.ended(api.send("email", alice, template))
        return bool(status["timeline"][-1]["provider"] == "smtp")

    until(sent_by_smtp, within=60, what="SMTP to be used again")
    until(lambda: breaker(api) == "closed", within=20, what="the breaker to close")


def test_without_any_provider_a_notification_waits_without_spending_an_attempt(
    api: Api, closed_again: None
) -> None:
    template, alice = api.mail_template(), api.user("alice")
    force(api, "open")
    # Every worker checks a closed breaker twice a second.
    until(lambda: breaker(api) == "open", within=5, what="the breaker to be open")

    def decided(sent: str) -> str | None:
        status = str(api.status(sent)["status"])
        return status if status in {"retrying", "sent"} else None

    def held() -> str | None:
        sent = api.send("email", alice, template)
        status = until(lambda: decided(sent), within=10, what="an outcome")
        return sent if status == "retrying" else None

    waiting = until(held, within=10, what="a mail to be held back")
    status = api.status(waiting)
    assert status["attempts"] == 0
    assert status["next_attempt_at"] is not None

    force(api, "auto")
    after = api.ended(waiting, within=90)
    assert (after["status"], after["attempts"]) == ("sent", 1)
