"""A password reset works although the mail server refuses at first."""

from uuid import uuid4

import pytest

from tests.fakes.smtp_server import Received
from tests.journeys.http import Api, until
from tests.journeys.installation import Installation
from tests.notifications.intake.account_mails.account_mail_helpers import text_of, token_in

pytestmark = [pytest.mark.services, pytest.mark.timeout(120)]

PASSWORD = "a new and rather long passphrase"


def test_a_reset_link_arrives_after_two_451_replies_and_works(
    installation: Installation, api: Api
) -> None:
    address = f"dorothea-{uuid4().hex[:8]}@example.com"
    user = api.made("/api/v1/users/", {"name": "Dorothea", "email": address, "locale": "de"})
    # A refusal in a session that has carried mails of other tests would be tried again at once in a
    # new one, as the same attempt.
    installation.smtp.stop_serving()
    installation.smtp.serve_again()
    installation.smtp.answer("rcpt", "451 4.3.0 Try again later", recipient=address, times=2)

    assert api.call("POST", "/api/v1/users/password/reset", {"email": address}).status == 202

    def arrived() -> Received | None:
        mails = installation.smtp.mails
        return next((mail for mail in mails if mail.recipient == address), None)

    mail = until(arrived, within=60, what="the link")
    assert mail.parsed["Subject"] == "Neues Passwort festlegen"
    query = f"/api/v1/notifications/?user_id={user['id']}"
    (row,) = api.call("GET", query).body["results"]
    status = api.ended(row["id"])
    assert (status["status"], status["attempts"]) == ("sent", 3)
    confirmed = {"token": token_in(text_of(mail.parsed)), "password": PASSWORD}
    path = "/api/v1/users/password/reset/confirm"
    assert api.call("POST", path, confirmed).status == 204
    login = {"email": address, "password": PASSWORD}
    assert api.call("POST", "/api/v1/users/login", login).status == 200
