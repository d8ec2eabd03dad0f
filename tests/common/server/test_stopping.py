"""A server that is stopped answers each request or refuses its connection, and resets none."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.common.server.conftest import TIMEOUT_SECONDS, Caller, listens, serve
from tests.journeys.http import until
from tests.journeys.processes import Process, free_port

CALLERS = 8
ANSWERED, REFUSED = "200", "ConnectionRefusedError"


@pytest.fixture(params=[1, 2], ids=["one process", "two processes"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Process, int]]:
    port = free_port()
    process = serve(port, tmp_path, processes=request.param)
    try:
        until(lambda: listens(port), within=TIMEOUT_SECONDS, what="the server")
        yield process, port
    finally:
        process.kill()


def each_anew(port: int) -> Iterator[str]:
    """Make each request on a connection of its own."""
    while True:
        caller = Caller(port)
        try:
            yield str(caller.request("/pid", "Connection: close").status)
        finally:
            caller.close()


def one_after_the_other(port: int) -> Iterator[str]:
    """Keep the connection until the server says that it closes it."""
    while True:
        caller, keeps = Caller(port), True
        try:
            while keeps:
                answer = caller.request("/pid")
                keeps = answer.headers["connection"] == "keep-alive"
                yield str(answer.status)
        finally:
            caller.close()


def until_refused(calls: Callable[[int], Iterator[str]], port: int) -> Counter[str]:
    """Call until it ends, and count the answers and how it ended."""
    seen: Counter[str] = Counter()
    try:
        for status in calls(port):
            seen[status] += 1
    except (OSError, ValueError) as error:
        seen[type(error).__name__] += 1
    return seen


@pytest.mark.parametrize("calls", [each_anew, one_after_the_other])
def test_requests_during_a_stop_are_answered_or_refused(
    server: tuple[Process, int], calls: Callable[[int], Iterator[str]]
) -> None:
    process, port = server
    with ThreadPoolExecutor(CALLERS) as pool:
        calling = [pool.submit(until_refused, calls, port) for _ in range(CALLERS)]
        time.sleep(0.3)
        stopped = process.stop()

    total = sum((each.result() for each in calling), Counter[str]())
    assert stopped == 0
    assert total[ANSWERED] > CALLERS
    assert total == {ANSWERED: total[ANSWERED], REFUSED: CALLERS}
