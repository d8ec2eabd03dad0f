"""``notify doctor``: check what the installation depends on."""

from argparse import Namespace

from django.core.management.base import CommandError, OutputWrapper

from apps.common.health import Health, overall
from apps.notifications.api.health import READY_PROBES


def doctor(arguments: Namespace, out: OutputWrapper) -> None:
    """Run all probes, and fail if one reports a problem."""
    rows = [probe.run() for probe in READY_PROBES]
    for row in rows:
        said = row.said or row.detail
        out.write(f"{row.status:<12} {row.name:<12} {row.latency_ms:>8.1f} ms  {said}")
    if overall(rows) is not Health.OK:
        raise CommandError("Something is not as it should be.")
