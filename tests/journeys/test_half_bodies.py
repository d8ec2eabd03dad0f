"""Clients that send half a request body and wait do not delay others."""

import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.journeys.checkout import Checkout
from tests.journeys.half_sent import TOO_LATE, HalfSent
from tests.journeys.http import Api, until
from tests.journeys.installation import Installation

CONNECTIONS = 300


def assert_others_are_answered(port: int, api: Api) -> None:
    """Assert that other requests are answered first, and the half-sent ones with a timeout."""
    with ExitStack() as opened:
        half_sent = HalfSent(port, opened)
        for _ in range(CONNECTIONS):
            half_sent.begin()
        for _ in range(20):
            live = urllib.request.urlopen(f"http://127.0.0.1:{port}/health/live", timeout=30)
            assert live.status == 200
            live.close()
            assert api.call("GET", "/api/v1/notifications/").status == 200

        def answered() -> bool:
            half_sent.take_answers(within=0.1)
            return not half_sent.waiting

        until(answered, within=60, what="the half-sent bodies to be answered")
        assert half_sent.answers == [TOO_LATE] * CONNECTIONS


@pytest.mark.embedded
def test_half_sent_bodies_do_not_delay_others_in_the_embedded_mode(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    running = checkout.run()
    try:
        assert_others_are_answered(checkout.port, checkout.api)
    finally:
        running.kill()


@pytest.mark.services
def test_half_sent_bodies_do_not_delay_others_in_the_installation(
    installation: Installation, api: Api
) -> None:
    assert_others_are_answered(installation.port, api)
