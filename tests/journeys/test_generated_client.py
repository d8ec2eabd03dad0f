"""A Python client is generated from the OpenAPI document, without a warning, and sends with it."""

import json
from pathlib import Path

import pytest

from tests.journeys.checkout import Checkout
from tests.journeys.processes import BIN, output_of

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(240)]

# The generator has no media types for files. The hooks would format the code, which nobody reads.
CONFIG = {
    "post_hooks": [],
    "content_type_overrides": dict.fromkeys(
        (
            "text/csv",
            "application/csv",
            "application/x-ndjson",
            "application/ndjson",
            "application/jsonl",
            "message/rfc822",
        ),
        "application/octet-stream",
    ),
}
# A program as a user of the client writes it; the arguments are the address, the key and the user.
PROGRAM = """
import sys
from uuid import UUID

from notifications_client import AuthenticatedClient
from notifications_client.api.batches import batches_list, batches_read
from notifications_client.api.notifications import notifications_send, notifications_status_read
from notifications_client.models import (
    Accepted,
    Batch,
    DeliveryStatus,
    ListedBatchPage,
    Problem,
    SendNotification,
    SendNotificationNotificationType,
    SendNotificationVariables,
)

address, key, user_id = sys.argv[1:]
client = AuthenticatedClient(address, token=key, prefix="", auth_header_name="X-API-Key")


def mail(to: UUID) -> SendNotification:
    return SendNotification(
        notification_type=SendNotificationNotificationType.EMAIL,
        user_id=to,
        template_code="welcome",
        variables=SendNotificationVariables.from_dict(
            {"name": "Ada", "link": "https://example.com"}
        ),
    )


sent = notifications_send.sync(client=client, body=mail(UUID(user_id)))
assert isinstance(sent, Accepted), sent
status = notifications_status_read.sync(sent.id, client=client)
assert isinstance(status, DeliveryStatus), status
refused = notifications_send.sync(client=client, body=mail(sent.id))
assert isinstance(refused, Problem), refused
assert refused.errors[0].code == "unknown_user"
assert isinstance(batches_list.sync(client=client), ListedBatchPage)
batch = batches_read.sync(sent.id, client=client)
assert isinstance(batch, (Batch, Problem)), batch
print(sent.id)
"""


def test_a_generated_client_type_checks_strictly_and_sends(
    running_checkout: Checkout, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    address = f"http://127.0.0.1:{running_checkout.port}"
    printed = output_of(
        f"{BIN}/openapi-python-client",
        "generate",
        f"--url={address}/api/schema/",
        "--config=config.json",
        "--output-path=client",
        "--fail-on-warning",
        folder=tmp_path,
    )
    assert "warning" not in printed.lower()
    folder = tmp_path / "client"
    assert len(list(folder.glob("notifications_client/models/*.py"))) < 250

    (folder / "program.py").write_text(PROGRAM)
    output_of(f"{BIN}/mypy", "--strict", "program.py", folder=folder)
    user = running_checkout.printed(r"Demo user +(\S+)")
    sent = output_of(
        f"{BIN}/python", "program.py", address, running_checkout.api.key, user, folder=folder
    )
    assert running_checkout.api.ended(sent.strip())["status"] == "delivered"
