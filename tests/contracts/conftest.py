"""The OpenAPI document that the tests of contracts read."""

from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator


@pytest.fixture(scope="session")
def document() -> dict[str, Any]:
    """Make the document as the endpoint does."""
    generator: Any = SchemaGenerator
    generated: dict[str, Any] = generator().get_schema(request=None, public=True)
    return generated
