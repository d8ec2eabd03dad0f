"""How a provider makes the calls of its chunks: in parallel, in order, in parts."""

import threading
import time
from collections.abc import Iterator
from typing import ClassVar

import pytest
from structlog.testing import capture_logs

from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.base import Provider, Push, Reply
from tests.fakes.messages import a_push


class Gate(Provider[Push]):
    """Answers at once; the token ``held`` waits first, and the token ``broken`` raises."""

    name: ClassVar[str] = "gate"
    channel: ClassVar[str] = "push"
    threads: ClassVar[int] = 4

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.order: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        self.lock = threading.Lock()

    def send(self, message: Push) -> Reply:
        with self.lock:
            self.order.append(message.token)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        if message.token == "held":
            self.open.wait(timeout=10)
        if message.token == "broken":
            raise RuntimeError("a defect of ours")
        with self.lock:
            self.at_once -= 1
        return Reply(outcome=Outcome.ACCEPTED, code=message.token)


@pytest.fixture
def gate() -> Iterator[Gate]:
    provider = Gate()
    yield provider
    provider.open.set()
    provider.close()


def soon() -> float:
    return time.monotonic() + 10


def until_begun(gate: Gate, count: int) -> None:
    end = soon()
    while len(gate.order) < count:
        assert time.monotonic() < end
        time.sleep(0.001)


def test_calls_begin_before_their_answers_are_read(gate: Gate) -> None:
    parts = gate.send_parts([a_push("one"), a_push("two")], until=soon())
    until_begun(gate, 2)

    (part,) = parts

    assert {place: reply and reply.code for place, reply in part.items()} == {0: "one", 1: "two"}


def test_answers_are_returned_while_another_call_is_running(gate: Gate) -> None:
    parts = gate.send_parts([a_push("held"), a_push("one")], until=soon(), seconds=0.05)

    first = next(parts)
    gate.open.set()
    second = next(parts)

    assert (set(first), set(second)) == ({1}, {0})
    assert list(parts) == []


def test_a_second_chunk_is_queued_behind_the_first_on_the_same_threads(gate: Gate) -> None:
    ahead = gate.send_parts([a_push("held") for _ in range(6)], until=soon())
    behind = gate.send_parts([a_push("behind") for _ in range(6)], until=soon())
    until_begun(gate, 4)
    gate.open.set()

    assert [len(part) for part in ahead] == [6]
    assert [len(part) for part in behind] == [6]
    assert gate.order == ["held"] * 6 + ["behind"] * 6
    assert gate.most_at_once <= gate.threads


def test_a_call_without_a_free_thread_in_time_is_not_started(gate: Gate) -> None:
    threading.Timer(0.2, gate.open.set).start()

    replies = gate.send_all([a_push("held") for _ in range(6)], until=time.monotonic() + 0.1)

    assert [reply is None for reply in replies] == [False] * 4 + [True] * 2
    assert len(gate.order) == 4


def test_an_exception_in_a_provider_does_not_lose_other_answers(gate: Gate) -> None:
    replies = gate.send_all([a_push("one"), a_push("broken"), a_push("two")], until=soon())

    assert [reply and (reply.outcome, reply.code) for reply in replies] == [
        (Outcome.ACCEPTED, "one"),
        (Outcome.UNKNOWN, "RuntimeError"),
        (Outcome.ACCEPTED, "two"),
    ]
    assert replies[1] == Reply(
        outcome=Outcome.UNKNOWN, reason="defect", code="RuntimeError", detail="RuntimeError"
    )


def test_an_exception_in_a_provider_is_logged_with_its_traceback(gate: Gate) -> None:
    with capture_logs() as entries:
        gate.send_all([a_push("broken")], until=soon())

    (entry,) = entries
    assert (entry["event"], entry["provider"]) == ("a provider failed", "gate")
    assert entry["log_level"] == "error"
    assert entry["exc_info"]


def test_a_single_call_does_not_block_the_thread_that_renews_the_lease(gate: Gate) -> None:
    parts = gate.send_parts([a_push("held")], until=soon(), seconds=0.01)

    assert next(parts) == {}
    assert next(parts) == {}
    gate.open.set()
    assert [reply and reply.code for part in parts for reply in part.values()] == ["held"]


def test_without_an_interval_all_answers_are_returned_together(gate: Gate) -> None:
    parts = gate.send_parts([a_push("held"), a_push("one")], until=soon())
    until_begun(gate, 2)
    gate.open.set()

    assert [set(part) for part in parts] == [{0, 1}]


def test_an_urgent_call_does_not_wait_for_threads_of_slow_calls(gate: Gate) -> None:
    slow = gate.send_parts([a_push("held") for _ in range(20)], until=soon())
    until_begun(gate, gate.threads)

    urgent = gate.send_parts([a_push("urgent")], until=soon(), urgent=True)

    assert [reply and reply.code for part in urgent for reply in part.values()] == ["urgent"]
    # No slow call has ended: all threads for those are still busy.
    assert gate.at_once == gate.threads
    gate.open.set()
    assert [len(part) for part in slow] == [20]
