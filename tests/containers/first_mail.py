"""Phase: up without any setting, the printed call, and what arrives at the catchers."""

import json
import re
import shlex
import time
from typing import Any

from tests.containers.demo import demo_api, printed_call
from tests.containers.pages import fetch
from tests.containers.project import Project
from tests.containers.run import Run
from tests.containers.shell import run as run_program
from tests.containers.shell import say
from tests.journeys.http import Api, until

PHASE = "first-mail"
ARRIVE_SECONDS = 60
# How long the processor time of health checks is measured.
MEASURED_SECONDS = 60
NOT_OURS = {"postgresql", "rabbitmq", "redis", "mailpit", "prometheus", "push-catcher"}
QUEUES = {
    *("email", "email.urgent", "email.bulk", "push", "push.urgent", "push.bulk"),
    *("webhooks", "failed"),
}


def first_mail(run: Run) -> None:
    """Follow docs/deployment/compose.md from nothing to the first mail, and look around."""
    summary = run.summary
    with run.project(run.checkout) as project:
        assert not (run.checkout / ".env").exists()
        summary.add(PHASE, "up --wait without .env", f"{project.up():.0f} s")
        healthy = [one for one in project.containers().values() if one.health == "healthy"]
        summary.add(PHASE, "containers", f"{len(healthy)} healthy")
        api, user = demo_api(project)
        _follow_the_printed_call(run, project)
        _push(run, project, api, user)
        _doctor(run, project)
        _warnings(run, project)
        _flower(run, project)
        _prometheus(run, project)
        _idle(run, project)
        began = time.monotonic()
        project.down(volumes=False)
        summary.add(PHASE, "down", f"{time.monotonic() - began:.0f} s")
        summary.add(PHASE, "up --wait again, same volumes", f"{project.up():.0f} s")
        assert api.key in project.logs("setup"), "the second start printed another key"
        summary.add(PHASE, "second start", "the same key is printed and works")
        assert api.call("GET", "/api/v1/notifications/").status == 200


def _follow_the_printed_call(run: Run, project: Project) -> None:
    """Run the printed ``curl`` as it is, and wait for the mail."""
    answer = json.loads(run_program(*shlex.split(printed_call(project)), within=30))
    assert answer["status"] == "pending", answer
    mail = until(
        lambda: next(iter(project.mails()), None), within=ARRIVE_SECONDS, what="the first mail"
    )
    run.summary.add(PHASE, "printed curl", f"202, the mail arrived: {mail['Subject']!r}")


def _push(run: Run, project: Project, api: Api, user: str) -> None:
    template = api.push_template()
    api.send("push", user, template, priority=8)
    pushed = until(
        lambda: next(iter(project.pushes()), None), within=ARRIVE_SECONDS, what="the first push"
    )
    title = pushed["notification"]["title"]
    run.summary.add(PHASE, "push", f"taken by the push catcher: {title!r}")


def _doctor(run: Run, project: Project) -> None:
    said = project.exec("web", "python", "manage.py", "notify", "doctor").splitlines()
    assert len(said) >= 6, said
    assert all(line.startswith("ok ") for line in said), said
    (providers,) = [line.split(" ms ")[1].strip() for line in said if " providers " in line]
    assert providers == "email: smtp; push: fcm", providers
    run.summary.add(PHASE, "exec web … notify doctor", f"{len(said)} rows ok; {providers}")


def _warnings(run: Run, project: Project) -> None:
    """Nothing that runs for the first time may greet its user with a warning."""
    ours = [service for service in _running(project) if service not in NOT_OURS]
    lines = project.logs(*ours, lines=1000).splitlines()
    found = [line for line in lines if '"level":"warning"' in line or '"level":"error"' in line]
    found += [line for line in lines if "Warning" in line]
    assert not found, found[:3]
    run.summary.add(PHASE, "warnings in our logs", f"none in {len(lines)} lines")


def _flower(run: Run, project: Project) -> None:
    login = project.exec("flower", "cat", "/run/notifications/flower_basic_auth").strip()
    page = fetch(f"{project.url('FLOWER_PORT')}/broker", login=login)
    shown = {queue for queue in QUEUES if re.search(rf"[>\s]{re.escape(queue)}[<\s]", page)}
    assert shown == QUEUES, f"Flower's Broker page shows {sorted(shown)}"
    run.summary.add(PHASE, "Flower's Broker page", f"{len(shown)} queues")


def _prometheus(run: Run, project: Project) -> None:
    def is_up() -> dict[str, Any] | None:
        answer = json.loads(fetch(f"{project.url('PROMETHEUS_PORT')}/api/v1/targets"))
        (target,) = answer["data"]["activeTargets"]
        return target if target["health"] == "up" else None

    until(is_up, within=60, what="Prometheus to read our metrics")
    answer = json.loads(fetch(f"{project.url('PROMETHEUS_PORT')}/api/v1/rules"))
    rules = [rule for group in answer["data"]["groups"] for rule in group["rules"]]
    assert rules
    assert all(rule["health"] in {"ok", "unknown"} for rule in rules), rules
    run.summary.add(PHASE, "Prometheus", f"target up, {len(rules)} alert rules")


def _idle(run: Run, project: Project) -> None:
    """Measure the processor time of the idle containers, and of one health check of each kind."""
    say(f"  measuring idle containers for {MEASURED_SECONDS} s")
    before = {name: _cpu_seconds(project, name) for name in _running(project)}
    time.sleep(MEASURED_SECONDS)
    used = {name: _cpu_seconds(project, name) - began for name, began in before.items()}
    share = sum(used.values()) / MEASURED_SECONDS
    most = sorted(used.items(), key=lambda one: -one[1])[:3]
    words = ", ".join(f"{name} {seconds / MEASURED_SECONDS:.3f}" for name, seconds in most)
    run.summary.add(PHASE, "idle, all containers", f"{share:.3f} of a core (most: {words})")
    checks = _check_seconds(project)
    run.summary.add(PHASE, "health checks", f"{checks:.3f} of a core")


def _running(project: Project) -> list[str]:
    return [one.service for one in project.containers().values() if one.state == "running"]


def _check_seconds(project: Project) -> float:
    """Return the share of a core that all health checks take: each is run ten times and timed."""
    share = 0.0
    for service in _running(project):
        config = project.inspect(service)["Config"]["Healthcheck"]
        words = config["Test"]
        command = words[1:] if words[0] == "CMD" else ["sh", "-c", words[1]]
        timed = f"for i in 1 2 3 4 5 6 7 8 9 10; do {shlex.join(command)} >/dev/null; done; times"
        shell = "bash" if service not in {"redis", "mailpit", "prometheus"} else "sh"
        said = project.exec(service, shell, "-c", timed)
        # The second line of `times` is the time of the children: user and system.
        share += sum(_seconds(word) for word in said.split()[-2:]) / 10 * 1e9 / config["Interval"]
    return share


def _seconds(word: str) -> float:
    minutes, _, seconds = word.rstrip("s").partition("m")
    return int(minutes) * 60 + float(seconds.replace(",", "."))


def _cpu_seconds(project: Project, service: str) -> float:
    """Return the processor time that a container has used, health checks included."""
    read = (
        "if [ -r /sys/fs/cgroup/cpu.stat ]; then head -1 /sys/fs/cgroup/cpu.stat; "
        "else cat /sys/fs/cgroup/cpuacct/cpuacct.usage; fi"
    )
    words = project.exec(service, "sh", "-c", read).split()
    return int(words[1]) / 1e6 if len(words) > 1 else int(words[0]) / 1e9
