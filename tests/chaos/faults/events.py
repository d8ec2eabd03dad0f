"""Events of a provider come twice, out of order, before the record, and without a broker."""

import json
import threading
import time
from collections.abc import Sequence

from tests.chaos.copies import Copy
from tests.chaos.environment import Environment
from tests.chaos.faults.registry import fault
from tests.fakes.sendgrid_events import URL, event

POLL_SECONDS = 0.05


def _events_of(copy: Copy) -> list[dict[str, object]]:
    """Return what SendGrid reports of a mail that has arrived, the last first and one twice."""
    arrived = event(copy.carried_id, "delivered", email=f"{copy.ref}@example.com")
    processed = event(
        copy.carried_id, "processed", email=arrived["email"], timestamp=arrived["timestamp"] - 2
    )
    return [arrived, processed, arrived]


class _Reporter:
    """Reports each mail as soon as the mail server has it, which is before the worker's record."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._report, daemon=True)
        self._first = len(environment.smtp.copies)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _report(self) -> None:
        done = self._first
        while not self._over.is_set():
            copies = self._environment.smtp.copies[done:]
            if copies and self._deliver(copies):
                done += len(copies)
            time.sleep(POLL_SECONDS)

    def _deliver(self, copies: Sequence[Copy]) -> bool:
        body = json.dumps([one for copy in copies for one in _events_of(copy)]).encode()
        headers = self._environment.signer.headers(body)
        try:
            answer = self._environment.api.call("POST", URL, body, **headers)
        except OSError:
            return False
        if answer.status != 204:
            return False
        # A second delivery of the same events.
        self._environment.api.call("POST", URL, body, **headers)
        self._environment.reported.update(copy.carried_id for copy in copies)
        return True


@fault(says="SendGrid's events twice, out of order, and before the record of their mail")
def events_in_disorder(environment: Environment, seconds: float) -> None:
    """Report every mail that arrives."""
    with _Reporter(environment):
        time.sleep(seconds)


@fault(says="SendGrid's events while the broker is away")
def events_without_broker(environment: Environment, seconds: float) -> None:
    """Report every mail that arrives, while the broker stops and comes back."""
    with _Reporter(environment):
        time.sleep(seconds / 4)
        environment.rabbitmq.stop()
        try:
            time.sleep(seconds / 2)
        finally:
            environment.rabbitmq.start()
        time.sleep(seconds / 4)
