"""The installation that the end-to-end tests share."""

from collections.abc import Iterator

import pytest

from tests.journeys.http import Api
from tests.journeys.installation import Installation


@pytest.fixture(scope="package")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("journeys")) as running:
        yield running


@pytest.fixture(scope="package")
def api(installation: Installation) -> Api:
    return installation.api()
