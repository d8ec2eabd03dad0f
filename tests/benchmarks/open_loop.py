"""Open-loop load: send requests at a constant rate, without waiting for earlier answers."""

import http.client
import queue
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from tests.benchmarks.wrk import Target

# More threads than requests are ever in flight, so that a slow answer does not delay the others.
CALLERS = 32
TIMEOUT_SECONDS = 20
ACCEPTED = 202


def offer(
    target: Target, *, rate: float, count: int, body: Callable[[int], bytes]
) -> tuple[dict[int, float], list[str]]:
    """Send ``count`` requests at ``rate`` per second.

    Returns:
        The Unix time in seconds at which each was sent, by number; and the refusals, as text.
    """
    due: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    sent: dict[int, float] = {}
    refused: list[str] = []
    address = urlsplit(target.url)
    headers = {"Content-Type": "application/json", "Authorization": target.authorization}

    def call() -> None:
        line = http.client.HTTPConnection(address.netloc, timeout=TIMEOUT_SECONDS)
        while (number := due.get()) is not None:
            content = body(number)
            sent[number] = time.time()
            try:
                line.request("POST", address.path, content, headers)
                answer = line.getresponse()
                said = answer.read()
            except (OSError, http.client.HTTPException) as error:
                refused.append(f"no answer: {type(error).__name__}")
                line.close()
                continue
            if answer.status != ACCEPTED:
                refused.append(f"{answer.status}: {said[:200]!r}")
        line.close()

    callers = [threading.Thread(target=call, daemon=True) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    began = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        due.put(number)
    for _ in callers:
        due.put(None)
    for caller in callers:
        caller.join(TIMEOUT_SECONDS)
    return sent, refused
