"""Several server processes that share one port."""

import os
import resource
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from apps.common.serving import FILES, file_limit
from tests.chaos.family import family
from tests.common.server.conftest import TIMEOUT_SECONDS, Caller, listens, serve
from tests.journeys.http import until
from tests.journeys.processes import Process, free_port

CONNECTIONS = 40
wait = partial(until, within=TIMEOUT_SECONDS)
NO_LIMIT = resource.RLIM_INFINITY


@dataclass(frozen=True, kw_only=True)
class Two:
    """A server of two processes."""

    process: Process
    port: int
    folder: Path

    @contextmanager
    def connected(self, number: int) -> Iterator[Counter[int]]:
        """Open connections one after the other and count how many each process accepted."""
        callers = [Caller(self.port) for _ in range(number)]
        try:
            yield Counter(int(caller.request("/pid").body) for caller in callers)
        finally:
            for caller in callers:
                caller.close()

    def connect(self, number: int = CONNECTIONS) -> Counter[int]:
        """Open connections, count them by process, and close them."""
        with self.connected(number) as counts:
            return counts

    def pids(self) -> set[int]:
        """Wait until both processes serve and return their ids."""
        wait(lambda: listens(self.port), what="the server")
        return set(
            wait(lambda: counts if len(counts := self.connect()) == 2 else None, what="both")
        )


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    port = free_port()
    process = serve(port, tmp_path, processes=2)
    try:
        yield Two(process=process, port=port, folder=tmp_path)
    finally:
        process.kill()


def test_processes_take_equal_shares_of_connections_opened_at_once(two: Two) -> None:
    two.pids()
    # Wait until the connections of ``pids`` have ended.
    time.sleep(0.5)

    total: Counter[int] = Counter()
    with ExitStack() as opened:
        for _ in range(8):
            total += opened.enter_context(two.connected(16))
            assert max(total.values()) <= sum(total.values()) / 2 + 2, total


def test_a_process_whose_connections_have_ended_takes_the_next_ones(two: Two) -> None:
    first, _ = two.pids()
    with ExitStack() as opened:
        callers = [Caller(two.port) for _ in range(CONNECTIONS)]
        for caller in callers:
            opened.callback(caller.close)
        taken = {caller: int(caller.request("/pid").body) for caller in callers}
        assert len(set(taken.values())) == 2
        for caller in (each for each, pid in taken.items() if pid == first):
            caller.close()

        # A process that gets no processor time for 50 ms is passed over, so it may take a few
        # trials. If closed connections were not counted, each trial would end five to five.
        wait(lambda: two.connect(10) == {first: 10}, what="all ten at the first process")


def test_a_process_that_hangs_gets_no_connections(two: Two) -> None:
    hangs, serves = two.pids()
    os.kill(hangs, signal.SIGSTOP)
    try:
        # A connection that the stopped process had accepted would not be answered.
        assert two.connect() == {serves: CONNECTIONS}
    finally:
        os.kill(hangs, signal.SIGCONT)

    wait(lambda: abs(two.connect()[hangs] - CONNECTIONS / 2) <= 3, what="an equal share again")


def test_processes_that_die_are_replaced(two: Two) -> None:
    for pid in (pids := two.pids()):
        os.kill(pid, signal.SIGKILL)
    wait(lambda: not pids & set(family(two.process.pid)), what="both to end")

    assert not two.pids() & pids
    assert max(two.connect().values()) <= CONNECTIONS / 2 + 3
    assert two.process.stop() == 0
    assert (two.folder / "begun").read_text() == "ended\n" * 2


@pytest.mark.parametrize(
    ("soft", "hard", "asked"),
    [
        (256, NO_LIMIT, FILES),
        (1024, 1024 * 1024, FILES),
        (1024, 4096, 4096),
        (4096, 4096, None),
        (FILES, NO_LIMIT, None),
        (NO_LIMIT, NO_LIMIT, None),
    ],
)
def test_the_limit_of_open_files_is_raised_only_as_far_as_needed(
    soft: int, hard: int, asked: int | None
) -> None:
    assert file_limit(soft, hard) == asked


def test_a_server_may_open_a_file_for_each_connection(caller: Caller) -> None:
    assert caller.request("/files").body == FILES
