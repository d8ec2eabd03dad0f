"""A queue of another program that has one of our names: the words say what to do."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from amqp.exceptions import PreconditionFailed, ResourceLocked
from celery import current_app
from django.core.management import CommandError, call_command
from kombu import Connection, Exchange, Queue
from structlog.testing import capture_logs

from apps.notifications.broker import topology
from apps.notifications.dead_letters import consumer as recorder
from notifications_project import celery_worker

NAME = "taken.by.another.program"
OURS = Queue(NAME, Exchange(NAME, "direct"), routing_key=NAME, queue_arguments=topology.QUORUM)
DECLARE = (50, 10)


@pytest.mark.parametrize(
    ("said", "what"),
    [
        (
            (
                "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'email' in vhost "
                "'/': received the value 'quorum' of type 'longstr' but current is none"
            ),
            "queue 'email' in the virtual host '/'",
        ),
        (
            (
                "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'notifications' "
                "in vhost 'shop': received 'direct' but current is 'topic'"
            ),
            "exchange 'notifications' in the virtual host 'shop'",
        ),
        (
            "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'push' in vhost '/'.",
            "queue 'push' in the virtual host '/'",
        ),
        ("PRECONDITION_FAILED - something new", "queue or exchange in the virtual host"),
    ],
)
def test_the_words_name_the_queue_and_what_to_do(said: str, what: str) -> None:
    words = str(topology.NameTakenError(said, DECLARE))
    assert what in words
    assert "Use a virtual host for this service alone (BROKER_URL)" in words
    assert "delete it" in words
    assert said in words


@pytest.mark.parametrize("refusal", [PreconditionFailed, ResourceLocked])
def test_a_refused_declaration_is_a_name_that_is_taken(refusal: type[Exception]) -> None:
    class Refusing:
        def channel(self) -> Any:
            raise refusal("it is another queue", DECLARE)

    with pytest.raises(topology.NameTakenError, match="it is another queue"):
        topology.declare_all(Refusing())  # type: ignore[arg-type] # All that it uses.


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """Declare a classic queue of our name, as another program does."""
    monkeypatch.setattr(topology, "all_queues", lambda: [OURS])
    with current_app.connection_for_write() as connection:
        channel: Any = connection.channel()
        channel.queue_declare(queue=NAME, durable=True, auto_delete=False)
        yield connection
        connection.channel().queue_delete(queue=NAME)  # type: ignore[attr-defined] # Not in the stubs.
        connection.channel().exchange_delete(exchange=NAME)  # type: ignore[attr-defined] # See above.


@pytest.mark.services
def test_declare_queues_says_which_queue_is_taken(taken: Connection) -> None:
    with pytest.raises(CommandError, match=f"queue '{NAME}' in the virtual host"):
        call_command("declare_queues")


def freed_after_one_pause(monkeypatch: pytest.MonkeyPatch, module: Any, taken: Connection) -> None:
    """Delete the other program's queue while a process waits."""

    def pause(_: float) -> None:
        channel: Any = taken.channel()
        channel.queue_delete(queue=NAME)

    monkeypatch.setattr(module.time, "sleep", pause)


@pytest.mark.services
def test_a_worker_says_it_and_goes_on_when_the_name_is_free(
    taken: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    freed_after_one_pause(monkeypatch, celery_worker, taken)
    consumer: Any = object.__new__(celery_worker.Consumer)
    queues = SimpleNamespace(consume_from={NAME: OURS})
    consumer.app = SimpleNamespace(
        amqp=SimpleNamespace(queues=queues),
        conf=SimpleNamespace(broker_connection_max_retries=1),
    )
    with capture_logs() as lines:
        assert consumer.ensure_connected(taken) is not None
    (line,) = lines
    assert line["event"] == "queues were not declared"
    assert f"queue '{NAME}'" in line["error"]


@pytest.mark.services
def test_the_recorder_says_it_and_goes_on_when_the_name_is_free(
    taken: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    freed_after_one_pause(monkeypatch, recorder, taken)
    reading: Any = recorder.Recorder(taken)
    with capture_logs() as lines:
        consumers = reading.get_consumers(lambda **_: "consumer", None)
    assert consumers == ["consumer"]
    (line,) = lines
    assert f"queue '{NAME}'" in line["error"]
