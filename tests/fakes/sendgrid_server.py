"""Fake of SendGrid's ``POST /v3/mail/send`` on a real socket, scripted by recipient.

As a program it accepts every mail and counts them:
``python -m tests.fakes.sendgrid_server --port N``.
"""

import argparse
from collections import Counter
from typing import Any

from tests.fakes.http_server import Answer, HttpServer, Request, json_answer, run_as_program

API_KEY = "SG.fake-key"


def refusal(status: int, message: str, *, field: str | None = None, **headers: str) -> Answer:
    """Make an error response in SendGrid's form; underscores in header names become hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = {"errors": [{"message": message, "field": field, "help": None}]}
    return json_answer(status, body, named)


class SendGridServer(HttpServer):
    """Accepts mail over the API."""

    def __init__(self, *, port: int = 0, latency: float = 0.0, keep: bool = True) -> None:
        super().__init__(port=port, latency=latency)
        self.keep = keep
        self.api_key: str | None = API_KEY
        self.scopes = ["mail.send"]
        self.scripted: dict[str, list[Answer]] = {}
        self.mails: list[dict[str, Any]] = []
        self.notification_ids: Counter[str] = Counter()

    def answer(self, recipient: str, *answers: Answer) -> None:
        """Answer requests for a recipient with these answers in order; the last one is repeated."""
        self.scripted[recipient] = list(answers)

    def stats(self) -> dict[str, int]:
        taken, distinct = sum(self.notification_ids.values()), len(self.notification_ids)
        return {"mails": taken, "distinct": distinct, "duplicates": taken - distinct}

    def respond(self, request: Request) -> Answer:
        if (request.method, request.path) == ("GET", "/stats"):
            return json_answer(200, self.stats())
        asked = (request.method, request.path)
        if asked not in {("POST", "/v3/mail/send"), ("GET", "/v3/scopes")}:
            return refusal(404, "not found")
        if self.api_key and request.headers.get("authorization") != f"Bearer {self.api_key}":
            return refusal(401, "The provided authorization grant is invalid")
        if request.method == "GET":
            return json_answer(200, {"scopes": self.scopes})
        mail = request.json()
        recipient = mail["personalizations"][0]["to"][0]["email"]
        answers = self.scripted.get(recipient, [])
        answer = answers.pop(0) if len(answers) > 1 else (answers[0] if answers else None)
        if answer is None or answer.drop or answer.hang or answer.taken:
            self._take(mail)
        number = sum(self.notification_ids.values())
        return answer or Answer(status=202, headers={"X-Message-Id": f"sg-{number}"})

    def _take(self, mail: dict[str, Any]) -> None:
        self.notification_ids[mail["custom_args"]["notification_id"]] += 1
        if self.keep:
            self.mails.append(mail)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8026)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    options = parser.parse_args()
    with SendGridServer(port=options.port, latency=options.latency, keep=False) as server:
        server.api_key = None
        run_as_program(f"SendGrid on {server.url}", server.stats)


if __name__ == "__main__":
    main()
