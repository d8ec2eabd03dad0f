"""Our own processes die, are away, or are there twice."""

import itertools
import time
from typing import Any

from kombu import Connection

from apps.notifications import queues
from tests.chaos.faults.registry import fault
from tests.chaos.scene import Scene
from tests.chaos.stack import SCHEDULER, WORKERS

KILL_EVERY_SECONDS = 4.0
KILLED = "a worker died between the provider's acceptance and the record of it"


@fault(says="nothing goes wrong: what the other rows are compared with", seconds=10)
def nothing(scene: Scene, seconds: float) -> None:
    """Leave everything alone."""
    time.sleep(seconds)


@fault(says="every worker killed with -9, again and again", seconds=20, doubles=KILLED)
def worker_killed(scene: Scene, seconds: float) -> None:
    """Kill whole workers and, every other time, only the child that does the work."""
    end = time.monotonic() + seconds
    for number in itertools.count():
        for worker in WORKERS:
            if number % 2:
                scene.stack.kill_children(worker)
            else:
                scene.stack.kill(worker)
        if time.monotonic() + KILL_EVERY_SECONDS > end:
            break
        time.sleep(KILL_EVERY_SECONDS)


@fault(says="the web processes killed with -9, again and again")
def web_killed(scene: Scene, seconds: float) -> None:
    """Kill the web server with its children, and once in two only the children."""
    end = time.monotonic() + seconds
    for number in itertools.count():
        if number % 2:
            scene.stack.kill_children("web")
        else:
            scene.stack.kill("web")
        if time.monotonic() + KILL_EVERY_SECONDS > end:
            break
        time.sleep(KILL_EVERY_SECONDS)


@fault(
    says="no scheduler, while workers are killed and every message on the broker is lost",
    doubles=KILLED,
)
def scheduler_absent(scene: Scene, seconds: float) -> None:
    """Take away what finds rows again, and give it much to find."""
    with scene.stack.without("scheduler"):
        time.sleep(seconds / 3)
        scene.stack.kill("email")
        scene.stack.kill("push")
        # Messages gather while nobody consumes.
        time.sleep(1)
        _lose_messages(scene)
        time.sleep(seconds * 2 / 3)


def _lose_messages(scene: Scene) -> None:
    channel: Any
    with Connection(scene.rabbitmq.url) as connection, connection.channel() as channel:
        for name in queues.LANES:
            channel.queue_purge(name)


@fault(says="two schedulers beside each other, and messages on the broker lost")
def two_schedulers(scene: Scene, seconds: float) -> None:
    """Have two sweeps look for the same rows, until all have been found."""
    scene.afterwards.enter_context(scene.stack.beside(*SCHEDULER))
    with scene.stack.without("email", "push"):
        # Messages gather while nobody consumes.
        time.sleep(seconds / 3)
        _lose_messages(scene)
    time.sleep(seconds * 2 / 3)
