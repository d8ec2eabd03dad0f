"""The liveness and readiness endpoints."""

from django.conf import settings
from django.http import HttpRequest, JsonResponse

from apps.common.channels import Channel
from apps.common.health import PROBES, Health, Probe, ProbeFailed, overall
from apps.notifications.operations import heartbeat
from apps.notifications.operations.overdue import OVERDUE_SECONDS, overdue_seconds
from apps.notifications.providers.registry import providers_for


def check_workers() -> str:
    """Check that every queue that needs a worker has one in a running process."""
    unserved = heartbeat.unserved(heartbeat.alive())
    if unserved:
        raise ProbeFailed(f"no worker serves {', '.join(unserved)}")
    return "every queue has a worker"


def check_backlog() -> str:
    """Check how long the oldest due row is overdue."""
    overdue = overdue_seconds()
    if overdue > OVERDUE_SECONDS:
        raise ProbeFailed(f"the oldest due notification waits for {overdue:.0f} s")
    return "nothing is overdue"


def check_providers() -> str:
    """Return the providers by preference, without calling them; each connects on first use."""
    return "; ".join(f"{channel}: {', '.join(providers_for(channel))}" for channel in Channel)


READY_PROBES = (
    *PROBES,
    Probe(name="workers", check=check_workers),
    Probe(name="backlog", check=check_backlog),
    Probe(name="providers", check=check_providers),
)


def live(request: HttpRequest) -> JsonResponse:
    """Return OK. It uses nothing outside the process."""
    return JsonResponse({"status": Health.OK})


def ready(request: HttpRequest) -> JsonResponse:
    """Return the state of each dependency; 503 only if no request can be served."""
    rows = [probe.run() for probe in READY_PROBES]
    status = overall(rows)
    answer = {
        "status": status,
        "mode": "embedded" if settings.EMBEDDED else "distributed",
        "checks": [row.public() for row in rows],
    }
    return JsonResponse(answer, status=503 if status is Health.UNAVAILABLE else 200)
