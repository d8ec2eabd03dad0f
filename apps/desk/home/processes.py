"""The page of processes: which ones run, what each queue holds, and who serves it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from apps.desk.pages import show
from apps.notifications.api.services import queue_depths
from apps.notifications.broker import topology
from apps.notifications.models import Heartbeat
from apps.notifications.operations import heartbeat

RECORDER = "dead-letter-recorder"


@dataclass(frozen=True, kw_only=True)
class Queue:
    """One queue, and the processes that take its messages.

    Attributes:
        name: Its name.
        depth: How many messages it holds; None if the broker does not answer.
        served_by: The names of the processes.
        is_bad: Whether nobody serves it, although somebody should.
    """

    name: str
    depth: int | None
    served_by: Sequence[str]
    is_bad: bool


@dataclass(frozen=True, kw_only=True)
class Role:
    """The processes of one role: how many run, and with which versions."""

    name: str
    running: int
    versions: Sequence[str]


@require_GET
def processes_page(request: HttpRequest) -> HttpResponse:
    """Show the processes that run, those that stopped reporting, and the queues."""
    running, silent = heartbeat.alive(), heartbeat.silent()
    context = {
        "title": "Processes",
        "running": running,
        "silent": silent,
        "queues": queues_of(queue_depths(), running),
        "has_several_versions": len({process.version for process in running}) > 1,
        "alive_seconds": int(heartbeat.ALIVE_FOR.total_seconds()),
    }
    return show(request, "desk/processes.html", context)


def queues_of(depths: Mapping[str, int | None], running: Iterable[Heartbeat]) -> list[Queue]:
    """Return each queue with the processes that serve it."""
    processes = list(running)
    needed = {*heartbeat.unserved(processes), topology.FAILED.name}
    found = []
    for name, depth in depths.items():
        served_by = [one.name for one in processes if _serves(one, name)]
        is_bad = name in needed and not served_by
        found.append(Queue(name=name, depth=depth, served_by=served_by, is_bad=is_bad))
    return found


def roles_of(running: Iterable[Heartbeat]) -> list[Role]:
    """Return how many processes of each role run."""
    versions: dict[str, list[str]] = {}
    for process in running:
        versions.setdefault(process.role, []).append(process.version)
    return [
        Role(name=role, running=len(found), versions=sorted(set(found)))
        for role, found in sorted(versions.items())
    ]


def _serves(process: Heartbeat, queue: str) -> bool:
    if queue == topology.FAILED.name:
        return process.role in {RECORDER, "embedded"}
    return queue in process.queues
