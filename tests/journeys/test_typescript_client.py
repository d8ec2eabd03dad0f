"""TypeScript's types are made from the OpenAPI document, and a program that uses them sends."""

import json
import shutil
from pathlib import Path

import pytest

from tests.journeys.checkout import Checkout
from tests.journeys.processes import BIN, ROOT, output_of

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(240)]

SOURCES = ROOT / "tests/journeys/typescript"
# Where the Makefile installs what package-lock.json names.
INSTALLED = BIN.parent / "typescript/node_modules"


def test_a_typescript_program_type_checks_strictly_and_sends(
    running_checkout: Checkout, tmp_path: Path
) -> None:
    folder = tmp_path / "client"
    shutil.copytree(SOURCES, folder)
    (folder / "node_modules").symlink_to(INSTALLED)
    address = f"http://127.0.0.1:{running_checkout.port}"

    # The generator's own options, as somebody uses it who does not know the API.
    tools = INSTALLED / ".bin"
    document = f"{address}/api/schema/?format=json"
    output_of(f"{tools}/openapi-typescript", document, "--output=schema.d.ts", folder=folder)
    output_of(f"{tools}/tsc", "--project", ".", folder=folder)
    user = running_checkout.printed(r"Demo user +(\S+)")
    printed = output_of(
        "node", "built/program.js", address, running_checkout.api.key, user, folder=folder
    )

    sent = json.loads(printed)
    assert running_checkout.api.ended(sent["id"])["status"] == "delivered"
    assert running_checkout.api.call("GET", f"/api/v1/batches/{sent['batch']}").body["total"] == 1
