# ruff: noqa: INP001 - a program of an image, not a module of the project.
"""Stands in for Mailpit: SMTP on 1025, and on 8025 the part of its API that is used here."""

import asyncio
import email
import email.policy
import json
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEPT = int(os.environ.get("MP_MAX_MESSAGES", "500"))
messages: list[dict[str, object]] = []


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one SMTP connection."""
    people: list[str] = []

    async def say(words: str) -> None:
        writer.write(f"{words}\r\n".encode())
        await writer.drain()

    await say("220 catcher ESMTP")
    while line := await reader.readline():
        verb = line[:4].upper().strip()
        if verb == b"EHLO":
            await say("250-catcher\r\n250-8BITMIME\r\n250-PIPELINING\r\n250 SMTPUTF8")
        elif verb == b"DATA":
            await say("354 go on")
            taken = await reader.readuntil(b"\r\n.\r\n")
            take(taken[:-3].replace(b"\r\n..", b"\r\n."), people)
            people = []
            await say("250 taken")
        elif verb == b"QUIT":
            await say("221 bye")
            break
        else:
            if verb == b"RCPT":
                people.append(line.decode().partition("<")[2].partition(">")[0])
            await say("250 ok")
    writer.close()


def take(raw: bytes, people: list[str]) -> None:
    """Keep a mail."""
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    body = mail.get_body(("plain", "html"))
    messages.append(
        {
            "ID": str(len(messages)),
            "Subject": str(mail["subject"]),
            "To": [{"Address": person} for person in people],
            "MessageID": str(mail["message-id"] or "").strip("<>"),
            "Text": body.get_content() if body else "",
        }
    )


class Pages(BaseHTTPRequestHandler):
    """The API, newest mail first."""

    def do_GET(self) -> None:
        """Answer with a mail, with the list, or that it is ready."""
        path, _, query = self.path.partition("?")
        numbers = dict(part.split("=") for part in query.split("&") if "=" in part)
        start, limit = int(numbers.get("start", 0)), int(numbers.get("limit", 50))
        if path.startswith("/api/v1/message/"):
            self._answer(messages[int(path.rpartition("/")[2])])
        else:
            newest = messages[::-1][start : start + limit]
            self._answer({"total": len(messages), "messages": newest})

    def _answer(self, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


async def main() -> None:
    """Serve both ports until the end."""
    pages = ThreadingHTTPServer(("0.0.0.0", 8025), Pages)  # noqa: S104 - in a container.
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    server = await asyncio.start_server(serve, "0.0.0.0", 1025, limit=32 * 1024 * 1024)  # noqa: S104 - in a container.
    await server.serve_forever()


if __name__ == "__main__":
    # The first process of a container is not ended by a signal that it does not handle.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    asyncio.run(main())
