"""Phase: the broker stops and a worker is killed while requests go on; nothing is lost."""

import time

from tests.containers.demo import demo_api
from tests.containers.load import account, under_load
from tests.containers.run import Run
from tests.containers.shell import say

PHASE = "faults"
BEFORE_SECONDS = 5
WITHOUT_BROKER_SECONDS = 15
AFTER_SECONDS = 5


def faults(run: Run) -> None:
    """Stop RabbitMQ, kill a worker meanwhile, start RabbitMQ, and count what arrives."""
    with run.project(run.checkout) as project:
        project.up()
        api, _ = demo_api(project)
        with under_load(project, api, "faults") as load:
            time.sleep(BEFORE_SECONDS)
            say("  stopping the broker")
            project.compose("stop", "--timeout", "20", "rabbitmq", within=60)
            say("  killing a worker")
            project.kill("email")
            time.sleep(WITHOUT_BROKER_SECONDS)
            project.compose("start", "rabbitmq", within=60)
            time.sleep(AFTER_SECONDS)
        run.summary.add(PHASE, "broker stopped, worker killed", account(project, api, load))
        began = time.monotonic()
        project.up(within=120)
        run.summary.add(PHASE, "healthy again", f"after {time.monotonic() - began:.0f} s")
