"""The HTTP calls of push messages from thread pools on persistent connections, and nothing else.

``python -m tests.benchmarks.contenders.push_pool --port 8027 --messages 10000``.
"""

import argparse
import http.client
import json
import queue
from multiprocessing import get_context
from threading import Thread
from typing import Any
from uuid import uuid4

from tests.benchmarks import content
from tests.benchmarks.sinks.fcm import PROJECT


def body(ref: str) -> dict[str, Any]:
    """Build a message as our provider does."""
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


def send(port: int, messages: int, threads: int) -> None:
    """Send ``messages`` messages from ``threads`` threads of this process."""
    work: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    headers = {"Content-Type": "application/json", "Authorization": "Bearer ya29.sink"}

    def call() -> None:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while (number := work.get()) is not None:
            message = json.dumps(body(f"pool-{number}")).encode()
            line.request("POST", f"/v1/projects/{PROJECT}/messages:send", message, headers)
            json.loads(line.getresponse().read())
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
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--messages", type=int, required=True)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--threads", type=int, default=50, help="for each process")
    given = parser.parse_args()
    work = (given.port, given.messages // given.processes, given.threads)
    context = get_context("spawn")
    processes = [context.Process(target=send, args=work) for _ in range(given.processes)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


if __name__ == "__main__":
    main()
