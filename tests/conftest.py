"""Fixtures and rules that apply to all tests."""

import os
import socket
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import structlog
from django.core.cache import cache
from whitenoise.middleware import WhiteNoiseMiddleware

from apps.common.ttl_cache import TtlCache
from apps.templates import rendering

# ``capture_logs`` cannot capture a logger that was cached on its first use.
structlog.configure(cache_logger_on_first_use=False)

pytest_plugins = ["tests.fakes.fixtures"]

# An example that takes long on a busy machine is no failure: tests bound no wall-clock time.
hypothesis.settings.register_profile("project", deadline=None)
hypothesis.settings.load_profile("project")

ON_SERVICES = bool(os.environ.get("BROKER_URL"))
# Folders in which only the database tests use a server. The other tests give the same result in
# both runs of ``make test``, and are part of the first one.
WITHOUT_SERVERS = (
    "tests/benchmarks/",
    "tests/chaos/",
    "tests/common/rest/",
    "tests/common/server/",
    "tests/containers/",
    "tests/contracts/",
    "tests/deployment/",
    "tests/documents/",
    "tests/kubernetes/",
    "tests/notifications/providers/",
    "tests/settings/",
    "tests/templates/",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect, in each of the two runs of ``make test``, the tests of the other run."""
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        needs_services = item.get_closest_marker("services") is not None
        on_database = "db" in getattr(item, "fixturenames", ()) or item.get_closest_marker(
            "django_db"
        )
        needs_embedded = item.get_closest_marker("embedded") is not None or (
            item.nodeid.startswith(WITHOUT_SERVERS) and not (on_database or needs_services)
        )
        wrong_run = (needs_services and not ON_SERVICES) or (needs_embedded and ON_SERVICES)
        (left if wrong_run else kept).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=left)


@pytest.fixture(scope="session", autouse=True)
def static_files_listed_once() -> Iterator[None]:
    """Let all test clients share the list of static files.

    Each client makes its middleware anew, and listing 178 files takes 17 ms. That was nearly half
    of the time of the API's tests.
    """
    listed: dict[tuple[Any, ...], Any] = {}
    list_files = WhiteNoiseMiddleware.add_files_from_finders

    def once(self: WhiteNoiseMiddleware) -> None:
        key = (self.static_prefix, self.max_age, self.allow_all_origins)
        if key not in listed:
            list_files(self)
            listed[key] = self.files
        self.files = listed[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", once)
        yield


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections to other machines."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6}:
            host = str(address[0])
            assert host.startswith("127.") or host in {"::1", "localhost"}, f"connects to {host}"
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """Empty the caches around each test, because the database is rolled back as well."""
    # Code that configures the logs during a test, for instance a command, turns the cache on again.
    structlog.configure(cache_logger_on_first_use=False)
    cache.clear()
    rendering.forget()
    yield
    cache.clear()


@pytest.fixture(autouse=True)
def webhooks_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin with no webhook, and read those of the test when one is registered, not each second.

    Otherwise a count of statements would depend on the time.
    """
    from apps.webhooks import subscriptions  # noqa: PLC0415 - models need Django's settings.

    remembered = TtlCache[str, Any](seconds=3600.0, size=1)
    remembered.put(subscriptions.ALL, {})
    monkeypatch.setattr(subscriptions, "_cache", remembered)


@pytest.fixture
def project_urls(settings: Any) -> None:
    """Use the URLs of the whole project, in tests of an app that have its own alone."""
    settings.ROOT_URLCONF = "notifications_project.urls"


@pytest.fixture(autouse=True)
def every_code_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test see a problem whose code has no page."""
    # Its imports need Django's settings, which pytest reads after this file.
    from apps.common.rest import problem_types  # noqa: PLC0415

    usual = problem_types.members_of

    def checked(status: int, code: str) -> dict[str, Any]:
        assert code in problem_types.TYPES, (
            f"{code} is missing in apps/common/rest/problem_table.py"
        )
        return usual(status, code)

    monkeypatch.setattr(problem_types, "members_of", checked)


@pytest.fixture(scope="module")
def large_tables(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """300,000 notifications and users, committed before the transaction of a test begins."""
    # Its imports need Django's settings, which pytest reads after this file.
    from tests import large_tables as tables  # noqa: PLC0415

    with django_db_blocker.unblock():
        tables.fill()
        yield
        tables.empty()
