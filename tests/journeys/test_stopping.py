"""A process that receives SIGTERM finishes its own work and leaves none of it to the sweep."""

import signal
from typing import Any

import pytest
from kombu import Connection

from apps.notifications.broker import topology
from tests import services
from tests.journeys.http import Api, until
from tests.journeys.installation import Installation

pytestmark = [pytest.mark.services, pytest.mark.timeout(240)]

ROWS = 1000


def ids_in_the_lanes() -> list[str]:
    """Take every message and return the ids that they contain."""
    found: list[str] = []
    channel: Any
    with Connection(services.BROKER_URL) as connection, connection.channel() as channel:
        for lane in topology.LANES:
            while (message := channel.basic_get(lane, no_ack=True)) is not None:
                found += channel.message_to_python(message).decode()[0][0]
    return found


def test_a_web_process_that_stops_publishes_all_accepted_notifications(
    installation: Installation, api: Api
) -> None:
    """The broker is frozen until after the signal, so nothing has been published before it."""
    template, alice = api.mail_template(), api.user("alice")
    row = {"notification_type": "email", "user_id": alice, "template_code": template}
    rows = [{**row, "variables": {"name": "Ada"}}] * ROWS
    for role in ("email", "scheduler"):
        installation.processes[role].kill()
    installation.purge()
    installation.broker.freeze()
    try:
        answer = api.call("POST", "/api/v1/notifications/bulk", {"notifications": rows})
        assert answer.status in {200, 202}
        web = installation.processes["web"]
        web._popen.send_signal(signal.SIGTERM)
        until(lambda: not installation.ready(), within=20, what="the web process to stop serving")
        installation.broker.thaw()
        assert web.stop() == 0
        accepted = {result["id"] for result in answer.body["results"]}
        published = ids_in_the_lanes()
    finally:
        installation.broker.thaw()
        for role in ("web", "email", "scheduler"):
            installation.start(role)
        installation.wait_until_ready()
    assert len(accepted) == ROWS
    assert accepted <= set(published)
