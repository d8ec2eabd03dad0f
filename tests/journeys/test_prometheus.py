"""A real Prometheus reads ``/metrics`` and evaluates the alert rules of ``docker/prometheus``."""

import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.journeys.http import Api, until
from tests.journeys.installation import Installation
from tests.journeys.processes import ROOT, Process, free_port

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]

FOLDER = ROOT / "docker" / "prometheus"


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is missing: docker/services.sh prometheus")
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
    ],
    ids=" ".join,
)
def test_the_rules_and_their_unit_tests_pass(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(  # noqa: S603 - our own arguments.
        [program("promtool"), *arguments], cwd=FOLDER, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def query(installation: Installation, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Start a Prometheus that reads the installation; the function calls its API."""
    settings = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    settings["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    settings["rule_files"] = [str(FOLDER / "alerts.yml")]
    targets = [f"127.0.0.1:{installation.port}"]
    settings["scrape_configs"][0]["static_configs"][0]["targets"] = targets
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(settings))
    address = f"127.0.0.1:{free_port()}"
    server = Process(
        program("prometheus"),
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address={address}",
        log=tmp_path / "prometheus.log",
        env={},
    )

    def get(path: str, **parameters: str) -> Any:
        given = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(f"http://{address}/api/v1/{path}?{given}") as answer:
                return json.load(answer)["data"]
        except OSError:
            return None

    try:
        until(lambda: get("status/buildinfo"), within=30, what="Prometheus")
        yield get
    finally:
        server.kill()


def value(found: Any) -> float:
    """Return the sum of the samples of a query."""
    return sum(float(sample["value"][1]) for sample in (found or {"result": []})["result"])


def test_prometheus_counts_what_was_sent_and_raises_no_alert_of_it(
    installation: Installation, api: Api, query: Callable[..., Any]
) -> None:
    sent = 'notifications_ended_total{kind="live",channel="email",status="sent"}'
    before = value(query("query", query=sent))
    template, user = api.mail_template(), api.user("prometheus")
    ids = [api.send("email", user, template) for _ in range(20)]
    assert set(api.all_ended(ids, within=60)) == {"sent"}

    until(lambda: value(query("query", query=sent)) >= before + 20, within=30, what="20 sent")
    count = 'notifications_time_to_deliver_seconds_count{kind="live",channel="email"}'
    assert value(query("query", query=count)) >= before + 20
    assert value(query("query", query='up{job="notifications"}')) == 1
    (group,) = query("rules")["groups"]
    until(
        lambda: all(rule["health"] == "ok" for rule in query("rules")["groups"][0]["rules"]),
        within=30,
        what="rules that were evaluated",
    )
    firing = [rule["name"] for rule in group["rules"] if rule["state"] == "firing"]
    assert firing == []
