"""The HTTP calls of a provider from thread pools on persistent connections, and nothing else.

``python -m tests.benchmarks.contenders.http_pool --provider fcm --port 8027 --messages 10000``.
"""

import argparse
import http.client
import json
import queue
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from threading import Thread
from typing import Any
from uuid import uuid4

from tests.benchmarks import content
from tests.benchmarks.sinks.fcm import PROJECT


@dataclass(frozen=True, kw_only=True)
class Api:
    """The API of a provider.

    Attributes:
        path: The path that takes a message.
        key: What the calls are authorized with.
        body: Builds the body of a message as our provider does, from its reference.
    """

    path: str
    key: str
    body: Callable[[str], dict[str, Any]]


def push_body(ref: str) -> dict[str, Any]:
    """Build a push message."""
    pk = str(uuid4())
    return {
        "message": {
            "token": f"token-{ref}",
            "notification": {
                "title": content.filled(content.PUSH_TITLE, name="Ada", ref=ref),
                "body": content.filled(content.PUSH_BODY, name="Ada", ref=ref),
            },
            "data": {"notification_id": pk, "correlation_id": pk},
            "android": {"notification": {"tag": pk}},
            "apns": {"headers": {"apns-collapse-id": pk}, "payload": {"aps": {}}},
            "webpush": {"notification": {"tag": pk}},
        }
    }


def mail_body(ref: str) -> dict[str, Any]:
    """Build a mail."""
    pk = str(uuid4())
    parts = {"text/plain": content.TEXT, "text/html": content.HTML}
    return {
        "personalizations": [{"to": [{"email": f"{ref}@example.com", "name": "Ada"}]}],
        "from": {"email": content.SENDER, "name": content.SENDER_NAME},
        "subject": content.filled(content.SUBJECT, name="Ada", ref=ref),
        "content": [
            {"type": kind, "value": content.filled(part, name="Ada", ref=ref)}
            for kind, part in parts.items()
        ],
        "headers": {
            "List-Unsubscribe": content.UNSUBSCRIBE,
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "X-Correlation-ID": pk,
            "Message-ID": f"<{pk}@bench.example>",
        },
        "custom_args": {"notification_id": pk, "correlation_id": pk},
    }


def event_body(ref: str) -> dict[str, Any]:
    """Build an event of a webhook."""
    pk = str(uuid4())
    return {
        "type": "notification.delivered",
        "timestamp": "2026-11-29T12:00:00.000Z",
        "data": {
            "notification_id": pk,
            "request_id": ref,
            "correlation_id": pk,
            "batch_id": None,
            "user_id": pk,
            "external_id": None,
            "notification_type": "email",
            "template_code": "welcome",
            "status": "delivered",
            "reason": None,
            "provider": "smtp",
            "at": "2026-11-29T12:00:00.000Z",
            "metadata": {"order": ref},
        },
    }


APIS = {
    "fcm": Api(path=f"/v1/projects/{PROJECT}/messages:send", key="ya29.sink", body=push_body),
    "webhook": Api(path="/hook", key="-", body=event_body),
    "sendgrid": Api(path="/v3/mail/send", key="SG.sink", body=mail_body),
}


def send(provider: str, port: int, messages: int, threads: int) -> None:
    """Send ``messages`` messages from ``threads`` threads of this process."""
    api = APIS[provider]
    work: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    prefix = uuid4().hex
    usual = {"Content-Type": "application/json", "Authorization": f"Bearer {api.key}"}

    def call() -> None:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while (number := work.get()) is not None:
            headers = {**usual, "webhook-id": f"{prefix}-{number}"}
            message = json.dumps(api.body(f"pool-{number}")).encode()
            line.request("POST", api.path, message, headers)
            json.loads(line.getresponse().read() or b"null")
        line.close()

    for number in range(messages):
        work.put(number)
    callers = [Thread(target=call) for _ in range(threads)]
    for caller in callers:
        work.put(None)
        caller.start()
    for caller in callers:
        caller.join()


def main() -> None:
    """Divide the messages among the processes and wait for them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--provider", choices=APIS, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--messages", type=int, required=True)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--threads", type=int, default=50, help="for each process")
    given = parser.parse_args()
    work = (given.provider, given.port, given.messages // given.processes, given.threads)
    context = get_context("spawn")
    processes = [context.Process(target=send, args=work) for _ in range(given.processes)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


if __name__ == "__main__":
    main()
