"""The webhook of a client application fails, or the worker that calls it dies."""

import itertools
import time
from datetime import UTC, datetime, timedelta

from tests.chaos.environment import Environment
from tests.chaos.faults.registry import fault
from tests.fakes.http_server import Answer

KILL_EVERY_SECONDS = 3.0


@fault(says="the webhook's server takes every call and never answers", seconds=20)
def webhook_hangs(environment: Environment, seconds: float) -> None:
    """Let calls wait for their timeout of 15 s."""
    environment.webhook.script = lambda _: Answer(hang=True)
    try:
        time.sleep(seconds)
    finally:
        environment.webhook.script = None


@fault(says="the webhook's server dies and comes back")
def webhook_dies(environment: Environment, seconds: float) -> None:
    """Close its port and its connections."""
    environment.webhook.stop_serving()
    try:
        time.sleep(seconds)
    finally:
        environment.webhook.serve_again()


# While it is disabled, no event is stored for it.
@fault(says="the webhook answers 410, is disabled, is enabled and delivered again", told=False)
def webhook_gone(environment: Environment, seconds: float) -> None:
    """Answer 410, then do what its owner would do."""
    since = datetime.now(UTC) - timedelta(seconds=30)
    environment.webhook.script = lambda _: Answer(status=410)
    try:
        time.sleep(seconds)
    finally:
        environment.webhook.script = None
    place = f"/api/v1/webhooks/{environment.webhook_id}"
    answer = environment.api.call("PATCH", place, {"enabled": True})
    assert answer.status == 200, answer.body
    # What waited when it was disabled has failed within the next look of the worker.
    time.sleep(6)
    until = datetime.now(UTC) + timedelta(seconds=1)
    window = {"since": since.isoformat(), "until": until.isoformat(), "state": "failed"}
    environment.api.made(f"{place}/redeliver", window)


@fault(says="the worker of the webhooks killed with -9, again and again", seconds=20)
def webhook_worker_killed(environment: Environment, seconds: float) -> None:
    """Kill the whole worker and, every other time, only the child that does the work."""
    end = time.monotonic() + seconds
    for number in itertools.count():
        if number % 2:
            environment.stack.kill_children("webhooks")
        else:
            environment.stack.kill("webhooks")
        if time.monotonic() + KILL_EVERY_SECONDS > end:
            break
        time.sleep(KILL_EVERY_SECONDS)
