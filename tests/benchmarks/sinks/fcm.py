"""FCM's HTTP v1 API with a latency, made for speed: it accepts every token and message.

``python -m tests.benchmarks.sinks.fcm --port 8027 --control-port 8028 --latency 0.05``.
"""

import json
from pathlib import Path

from tests.benchmarks.sinks.http import HttpClient, answer, serve

TOKEN = {"access_token": "ya29.sink", "expires_in": 3600, "token_type": "Bearer"}
PROJECT = "sink"
MESSAGE = {"name": f"projects/{PROJECT}/messages/1"}
JSON = "Content-Type: application/json"
TOKEN_ANSWER = answer("200 OK", json.dumps(TOKEN).encode(), JSON)
MESSAGE_ANSWER = answer("200 OK", json.dumps(MESSAGE).encode(), JSON)


class FcmClient(HttpClient):
    """One connection to FCM or to the server of its tokens."""

    def respond(self, request: bytes) -> None:
        if request.startswith(b"POST /token "):
            self._transport.write(TOKEN_ANSWER)
            return
        self.take(request, MESSAGE_ANSWER)


def write_key_file(path: Path, *, port: int, private_key_pem: str) -> None:
    """Write a service account file whose token exchange is served by the sink."""
    key = {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "sink",
        "private_key": private_key_pem,
        "client_email": f"sender@{PROJECT}.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": f"http://127.0.0.1:{port}/token",
    }
    path.write_text(json.dumps(key))


if __name__ == "__main__":
    serve(FcmClient, __doc__)
