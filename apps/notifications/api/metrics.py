"""Figures for Prometheus, read from the rows, the broker and the heartbeats when asked."""

import hmac
import ipaddress
from collections import Counter
from collections.abc import Iterator

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from apps.common.problems import problem_response
from apps.common.throttling import client_address
from apps.notifications import heartbeat
from apps.notifications.api.services import queue_depths
from apps.notifications.models import Notification


class Installation(Collector):
    """What is alive and what waits; nothing here scans a table."""

    def collect(self) -> Iterator[Metric]:
        """Read the figures."""
        depths = GaugeMetricFamily(
            "notifications_queue_messages", "Messages that wait in a queue.", labels=["queue"]
        )
        for queue, messages in queue_depths().items():
            if messages is not None:
                depths.add_metric([queue], messages)
        yield depths
        alive = GaugeMetricFamily(
            "notifications_processes", "Living processes of a role.", labels=["role"]
        )
        for role, count in Counter(process.role for process in heartbeat.living()).items():
            alive.add_metric([role], count)
        yield alive
        oldest = (
            Notification.objects.filter(wake_at__isnull=False)
            .order_by("wake_at")
            .values_list("wake_at", flat=True)
            .first()
        )
        overdue = max(0.0, (timezone.now() - oldest).total_seconds()) if oldest else 0.0
        yield GaugeMetricFamily(
            "notifications_overdue_seconds",
            "For how long the oldest due notification has waited.",
            value=overdue,
        )


def metrics(request: HttpRequest) -> HttpResponse:
    """Answer Prometheus: from loopback, or with ``METRICS_TOKEN`` as a bearer token."""
    if not _may_read(request):
        return problem_response(request, 403, "Metrics are for loopback or METRICS_TOKEN.")
    registry = CollectorRegistry()
    registry.register(Installation())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _may_read(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(given.encode(), settings.METRICS_TOKEN.encode())
    try:
        return ipaddress.ip_address(client_address(request)).is_loopback
    except ValueError:
        return False
