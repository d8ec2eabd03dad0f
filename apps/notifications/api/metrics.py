"""Prometheus metrics, read from the database, the broker and the heartbeats on each request."""

import hmac
from collections import Counter
from collections.abc import Iterator

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from apps.common.rest.problems import problem_response
from apps.common.throttling import is_on_loopback
from apps.notifications.api import statistics_metrics, webhook_metrics
from apps.notifications.api.services import queue_depths
from apps.notifications.flow_control import control
from apps.notifications.flow_control.breakers import Forced, State
from apps.notifications.models import Notice
from apps.notifications.notices import telling
from apps.notifications.notices.conditions import Condition
from apps.notifications.operations import heartbeat
from apps.notifications.operations.overdue import overdue_seconds


class Installation(Collector):
    """Metrics of running processes, providers and waiting work, without table scans."""

    def collect(self) -> Iterator[Metric]:
        """Read the metrics."""
        depths = GaugeMetricFamily(
            "notifications_queue_messages", "Messages that wait in a queue.", labels=["queue"]
        )
        for queue, messages in queue_depths().items():
            if messages is not None:
                depths.add_metric([queue], messages)
        yield depths
        yield from _providers()
        yield from statistics_metrics.families()
        alive = GaugeMetricFamily(
            "notifications_processes", "Living processes of a role.", labels=["role"]
        )
        for role, count in Counter(process.role for process in heartbeat.alive()).items():
            alive.add_metric([role], count)
        yield alive
        yield GaugeMetricFamily(
            "notifications_overdue_seconds",
            "For how long the oldest due notification has waited.",
            value=overdue_seconds(),
        )
        yield from statistics_metrics.waiting(now=timezone.now())
        yield from webhook_metrics.families()
        yield _notices()


def _providers() -> Iterator[Metric]:
    """Read the breaker states and rate limits of the configured providers."""
    states = GaugeMetricFamily(
        "notifications_breaker_state",
        "1 for the state that a circuit breaker is in, forced ones included, else 0.",
        labels=["provider", "platform", "state"],
    )
    forced = GaugeMetricFamily(
        "notifications_breaker_forced",
        "1 where staff hold a circuit breaker open or closed.",
        labels=["provider", "platform"],
    )
    rates = GaugeMetricFamily(
        "notifications_provider_rate_limit",
        "Calls a second that a provider is given now; missing where there is no limit.",
        labels=["provider"],
    )
    paused = GaugeMetricFamily(
        "notifications_provider_paused",
        "1 while a provider wants no call at all.",
        labels=["provider"],
    )
    for provider in control.configured():
        for breaker in provider.breakers:
            labels = [provider.name, breaker.platform]
            for state in State:
                states.add_metric([*labels, state.value], float(breaker.state is state))
            forced.add_metric(labels, float(breaker.forced is not Forced.AUTO))
        if not provider.breakers:
            continue
        if provider.limit.per_second is not None:
            rates.add_metric([provider.name], provider.limit.per_second)
        paused.add_metric([provider.name], float(provider.limit.paused_until is not None))
    yield from (states, forced, rates, paused)


def _notices() -> Metric:
    """Count the notices to operators that are not over."""
    family = GaugeMetricFamily(
        "notifications_notices_open",
        "Notices that operators were given and that are not over, by condition.",
        labels=["condition"],
    )
    opened = (
        Notice.objects.filter(over_at=None) if telling.has_subscribers() else Notice.objects.none()
    )
    found = Counter(opened.values_list("condition", flat=True))
    for condition in Condition:
        family.add_metric([condition.value], found[condition.value])
    return family


def metrics(request: HttpRequest) -> HttpResponse:
    """Return the metrics to a client on loopback, or with ``METRICS_TOKEN`` as a bearer token."""
    if not _may_read(request):
        return problem_response(request, 403, "Metrics are for loopback or METRICS_TOKEN.")
    registry = CollectorRegistry()
    registry.register(Installation())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _may_read(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(given.encode(), settings.METRICS_TOKEN.encode())
    return is_on_loopback(request)
