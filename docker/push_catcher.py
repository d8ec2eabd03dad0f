# ruff: noqa: INP001 - a program of docker-compose.yml, not a module of the project.
"""The push catcher: takes push messages as Google's servers would, and shows them.

For trying and for development. It speaks what the service uses of FCM's HTTP v1 API: an access
token for the signed assertion of the service account that ``make_secrets.py`` has made, and one
message a call. It accepts every device token. ``/`` is a page, ``/api/messages`` the same as JSON.
"""

import html
import json
import secrets
import sys
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt

PORT = 8027
PUBLIC_KEY = Path("/run/push-catcher/public.pem")
# The client library signs for this address whatever its key file says.
AUDIENCE = "https://oauth2.googleapis.com/token"
SEND = "/v1/projects/push-catcher/messages:send"
KEPT_MESSAGES = 5000
TOKEN_SECONDS = 3600

messages: deque[dict[str, Any]] = deque(maxlen=KEPT_MESSAGES)
tokens: set[str] = set()


class Catcher(BaseHTTPRequestHandler):
    """One connection; HTTP/1.1, so that it is kept for further calls."""

    protocol_version = "HTTP/1.1"
    # A message is answered at once, and its answer is two small packets.
    disable_nagle_algorithm = True
    timeout = 120

    def do_GET(self) -> None:
        """Answer with the page, with the list, or that it is ready."""
        address = urlsplit(self.path)
        if address.path == "/readyz":
            self.answer(200, {"status": "ok"})
        elif address.path == "/api/messages":
            limit = int(parse_qs(address.query).get("limit", ["50"])[0])
            newest = list(messages)[::-1][:limit]
            self.answer(200, {"total": len(messages), "messages": newest})
        elif address.path == "/":
            self.answer(200, page(), kind="text/html; charset=utf-8")
        else:
            self.answer(404, {"error": {"code": 404, "status": "NOT_FOUND"}})

    def do_POST(self) -> None:
        """Exchange an assertion for a token, or take a message."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/token":
            self.exchange(parse_qs(body.decode()))
        elif self.path == SEND:
            self.take(json.loads(body))
        else:
            self.answer(404, {"error": {"code": 404, "status": "NOT_FOUND"}})

    def exchange(self, form: dict[str, list[str]]) -> None:
        """Give an access token for an assertion that our service account has signed."""
        try:
            jwt.decode(
                form["assertion"][0],
                PUBLIC_KEY.read_text(encoding="utf-8"),
                algorithms=["RS256"],
                audience=AUDIENCE,
            )
        except (jwt.InvalidTokenError, KeyError) as error:
            self.answer(400, {"error": "invalid_grant", "error_description": str(error)})
            return
        token = secrets.token_urlsafe(24)
        tokens.add(token)
        self.answer(
            200, {"access_token": token, "expires_in": TOKEN_SECONDS, "token_type": "Bearer"}
        )

    def take(self, call: dict[str, Any]) -> None:
        """Keep a message, unless the call has no valid token or is only a check."""
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if given not in tokens:
            error = {"code": 401, "status": "UNAUTHENTICATED", "message": "The token is not valid."}
            self.answer(401, {"error": error})
            return
        if not call.get("validate_only"):
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            messages.append({"at": at, **call["message"]})
        self.answer(200, {"name": f"projects/push-catcher/messages/{secrets.token_hex(8)}"})

    def answer(self, status: int, body: object, kind: str = "application/json") -> None:
        """Send a response."""
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Log nothing: the page shows what was taken."""


def page() -> str:
    """Return the newest messages as a page."""
    rows = "".join(
        f"<tr><td>{html.escape(message['at'])}<td>{html.escape(message.get('token', ''))}"
        f"<td><pre>{html.escape(json.dumps(message, indent=1, ensure_ascii=False))}</pre>"
        for message in list(messages)[::-1][:100]
    )
    return (
        "<!doctype html><meta charset=utf-8><meta http-equiv=refresh content=5>"
        "<title>Push catcher</title><h1>Push messages</h1>"
        f"<p>{len(messages)} taken, the newest first. None of them reached a device."
        f"<table border=1 cellpadding=6><tr><th>taken<th>device token<th>message{rows}</table>"
    )


if __name__ == "__main__":
    server = ThreadingHTTPServer(("0.0.0.0", PORT), Catcher)  # noqa: S104 - in a container.
    server.daemon_threads = True
    sys.stdout.write(f"The push catcher listens on {PORT}.\n")
    sys.stdout.flush()
    server.serve_forever()
