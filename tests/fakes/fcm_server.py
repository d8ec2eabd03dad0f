"""Fake of FCM's HTTP v1 API and Google's token exchange on a real socket, scripted by token.

As a program it accepts every message and counts them:
``python -m tests.fakes.fcm_server --port 8027 --key-file /tmp/service-account.json``.
"""

import argparse
import functools
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.fakes.http_server import Answer, HttpServer, Request, json_answer, run_as_program

PROJECT = "fake-project"
ACCOUNT = "sender@fake-project.iam.gserviceaccount.com"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# The library always uses Google's endpoint as the audience, whatever the key file contains.
AUDIENCE = "https://oauth2.googleapis.com/token"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
# In a script, instead of a token: matches every token without a script of its own.
EVERY_TOKEN = "*"


@functools.cache
def private_key() -> rsa.RSAPrivateKey:
    """Generate the service account's key, once for the process."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def refusal(
    status: int,
    status_word: str,
    message: str,
    *,
    fcm: str | None = None,
    violation: tuple[str, str] | None = None,
    retry_after: str | None = None,
) -> Answer:
    """Make an error response in the JSON form of Google's APIs (AIP-193)."""
    details: list[dict[str, Any]] = []
    if fcm is not None:
        details.append({"@type": FCM_ERROR, "errorCode": fcm})
    if violation is not None:
        field, description = violation
        details.append(
            {
                "@type": BAD_REQUEST,
                "fieldViolations": [{"field": field, "description": description}],
            }
        )
    error: dict[str, Any] = {"code": status, "message": message, "status": status_word}
    if details:
        error["details"] = details
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return json_answer(status, {"error": error}, headers)


class FcmServer(HttpServer):
    """Accepts push messages after a token exchange whose assertion it verifies."""

    def __init__(self, *, port: int = 0, latency: float = 0.0, keep: bool = True) -> None:
        super().__init__(port=port, latency=latency)
        self.keep = keep
        self.scripted: dict[str, list[Answer]] = {}
        self.token_answers: list[Answer] = []
        self.access_tokens: set[str] = set()
        self.exchanges = 0
        self.requests = 0
        self.messages: list[dict[str, Any]] = []
        self.notification_ids: Counter[tuple[str, str]] = Counter()
        self.send_connections: set[int] = set()

    @property
    def token_uri(self) -> str:
        return f"{self.url}/token"

    def write_key_file(self, path: Path, **changes: str) -> Path:
        """Write the service account's JSON key file."""
        pem = private_key().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        key = {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": "fake",
            "private_key": pem.decode(),
            "client_email": ACCOUNT,
            "client_id": "1",
            "token_uri": self.token_uri,
        }
        path.write_text(json.dumps(key | changes))
        return path

    def answer(self, token: str, *answers: Answer) -> None:
        """Answer requests for a token with these answers in order; the last one is repeated."""
        self.scripted[token] = list(answers)

    def stats(self) -> dict[str, int]:
        taken, distinct = sum(self.notification_ids.values()), len(self.notification_ids)
        return {
            "messages": taken,
            "distinct": distinct,
            "duplicates": taken - distinct,
            "exchanges": self.exchanges,
            "connections": self.connections,
        }

    def respond(self, request: Request) -> Answer:
        match request.method, request.path:
            case "GET", "/stats":
                return json_answer(200, self.stats())
            case "POST", "/token":
                return self._exchange(request)
            case "POST", path if path == f"/v1/projects/{PROJECT}/messages:send":
                return self._send(request)
        return Answer(status=404, body=b"<html>Not Found</html>")

    def _exchange(self, request: Request) -> Answer:
        self.exchanges += 1
        if self.token_answers:
            return self.token_answers.pop(0)
        form = parse_qs(request.body.decode())
        try:
            claims = jwt.decode(
                form["assertion"][0],
                private_key().public_key(),
                algorithms=["RS256"],
                audience=AUDIENCE,
                issuer=ACCOUNT,
                options={"require": ["exp", "iat", "iss", "aud"]},
            )
        except (jwt.InvalidTokenError, KeyError) as error:
            return json_answer(400, {"error": "invalid_grant", "error_description": str(error)})
        if form.get("grant_type") != [GRANT] or SCOPE not in claims["scope"].split():
            return json_answer(400, {"error": "invalid_request"})
        token = f"ya29.fake-{self.exchanges}-{time.time_ns()}"
        self.access_tokens.add(token)
        body = {"access_token": token, "expires_in": 3600, "token_type": "Bearer"}
        return json_answer(200, body)

    def _send(self, request: Request) -> Answer:
        self.requests += 1
        self.send_connections.add(request.connection)
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if given not in self.access_tokens:
            return refusal(401, "UNAUTHENTICATED", "Request had invalid authentication.")
        if request.json().get("validate_only"):
            return json_answer(200, {"name": f"projects/{PROJECT}/messages/fake_message_id"})
        message = request.json()["message"]
        answers = self.scripted.get(message["token"]) or self.scripted.get(EVERY_TOKEN) or []
        answer = answers.pop(0) if len(answers) > 1 else (answers[0] if answers else None)
        if answer is None or answer.drop or answer.hang or answer.taken:
            self._take(message)
        name = f"projects/{PROJECT}/messages/{self.requests}"
        return answer or json_answer(200, {"name": name})

    def _take(self, message: dict[str, Any]) -> None:
        notification_id = message.get("data", {}).get("notification_id", "")
        self.notification_ids[notification_id, message["token"]] += 1
        if self.keep:
            self.messages.append(message)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8027)
    parser.add_argument("--key-file", type=Path, required=True, help="written by this program")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    options = parser.parse_args()
    with FcmServer(port=options.port, latency=options.latency, keep=False) as server:
        server.write_key_file(options.key_file)
        run_as_program(f"FCM on {server.url}, key in {options.key_file}", server.stats)


if __name__ == "__main__":
    main()
