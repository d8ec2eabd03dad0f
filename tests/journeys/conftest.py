"""The installation that the end-to-end tests share, and a copy of the project."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.checkout import Checkout
from tests.journeys.http import Api
from tests.journeys.installation import Installation


@pytest.fixture(scope="package")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("journeys")) as running:
        yield running


@pytest.fixture(scope="package")
def api(installation: Installation) -> Api:
    return installation.api()


@pytest.fixture
def running_checkout(tmp_path: Path) -> Iterator[Checkout]:
    """Run a copy of the project in the embedded mode."""
    copy = Checkout(tmp_path)
    running = copy.run()
    yield copy
    running.kill()
