"""How any provider's chunks go to the wire: side by side, one behind the other, in parts."""

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
    """Answers at once, except that a token of ``held`` waits, and one of ``broken`` raises."""

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


def test_calls_are_begun_before_their_answers_are_asked_for(gate: Gate) -> None:
    parts = gate.send_parts([a_push("one"), a_push("two")], until=soon())
    until_begun(gate, 2)

    (part,) = parts

    assert {place: reply and reply.code for place, reply in part.items()} == {0: "one", 1: "two"}


def test_answers_are_handed_over_while_another_is_awaited(gate: Gate) -> None:
    parts = gate.send_parts([a_push("held"), a_push("one")], until=soon(), seconds=0.05)

    first = next(parts)
    gate.open.set()
    second = next(parts)

    assert (set(first), set(second)) == ({1}, {0})
    assert list(parts) == []


def test_a_chunk_goes_behind_the_one_ahead_of_it_on_the_same_threads(gate: Gate) -> None:
    ahead = gate.send_parts([a_push("held") for _ in range(6)], until=soon())
    behind = gate.send_parts([a_push("behind") for _ in range(6)], until=soon())
    until_begun(gate, 4)
    gate.open.set()

    assert [len(part) for part in ahead] == [6]
    assert [len(part) for part in behind] == [6]
    assert gate.order == ["held"] * 6 + ["behind"] * 6
    assert gate.most_at_once <= gate.threads


def test_what_has_no_thread_in_time_is_not_begun(gate: Gate) -> None:
    threading.Timer(0.2, gate.open.set).start()

    replies = gate.send_all([a_push("held") for _ in range(6)], until=time.monotonic() + 0.1)

    assert [reply is None for reply in replies] == [False] * 4 + [True] * 2
    assert len(gate.order) == 4


def test_a_defect_of_a_provider_takes_no_other_answer_with_it(gate: Gate) -> None:
    replies = gate.send_all([a_push("one"), a_push("broken"), a_push("two")], until=soon())

    assert [reply and (reply.outcome, reply.code) for reply in replies] == [
        (Outcome.ACCEPTED, "one"),
        (Outcome.UNKNOWN, "RuntimeError"),
        (Outcome.ACCEPTED, "two"),
    ]
    assert replies[1] == Reply(
        outcome=Outcome.UNKNOWN, reason="defect", code="RuntimeError", detail="RuntimeError"
    )


def test_a_defect_of_a_provider_is_logged_with_its_place(gate: Gate) -> None:
    with capture_logs() as entries:
        gate.send_all([a_push("broken")], until=soon())

    (entry,) = entries
    assert (entry["event"], entry["provider"]) == ("a provider failed", "gate")
    assert entry["log_level"] == "error"
    assert entry["exc_info"]


def test_a_lone_call_leaves_the_thread_that_asks_free_to_renew_its_lease(gate: Gate) -> None:
    parts = gate.send_parts([a_push("held")], until=soon(), seconds=0.01)

    assert next(parts) == {}
    assert next(parts) == {}
    gate.open.set()
    assert [reply and reply.code for part in parts for reply in part.values()] == ["held"]


def test_without_a_beat_nothing_is_handed_over_before_the_last_answer(gate: Gate) -> None:
    parts = gate.send_parts([a_push("held"), a_push("one")], until=soon())
    until_begun(gate, 2)
    gate.open.set()

    assert [set(part) for part in parts] == [{0, 1}]


def test_an_urgent_call_waits_for_no_thread_of_a_slow_one(gate: Gate) -> None:
    slow = gate.send_parts([a_push("held") for _ in range(20)], until=soon())
    until_begun(gate, gate.threads)

    urgent = gate.send_parts([a_push("urgent")], until=soon(), urgent=True)

    assert [reply and reply.code for part in urgent for reply in part.values()] == ["urgent"]
    # No slow one had ended: all threads for those are still on the wire.
    assert gate.at_once == gate.threads
    gate.open.set()
    assert [len(part) for part in slow] == [20]
