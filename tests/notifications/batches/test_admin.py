"""The batches page of the admin."""

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from rest_framework.test import APIClient

from apps.notifications.batches.materialize import make_slice
from apps.notifications.models import Batch
from apps.users.models import User
from tests.notifications.batches.batch_api import accepted_batch_id, ndjson, upload
from tests.notifications.factories import body, person
from tests.notifications.lanes import Lanes

pytestmark = pytest.mark.django_db
BATCHES = "/admin/notifications/batch/"


@pytest.fixture
def batch_id(shop: APIClient, alice: User, lanes: Lanes) -> str:
    found = accepted_batch_id(upload(shop, ndjson(*[body(alice)] * 501)))
    assert make_slice()
    return found


def member_of(group: str) -> Client:
    user = person(group.lower(), is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    client = Client()
    client.force_login(user)
    return client


def act(client: Client, action: str, *ids: Any) -> str:
    form = {"action": action, "_selected_action": [str(one) for one in ids]}
    return str(client.post(BATCHES, form, follow=True).content.decode())


def test_the_list_and_the_page_show_the_progress(batch_id: str) -> None:
    viewer = member_of("Viewer")
    assert batch_id in viewer.get(BATCHES).content.decode()
    assert batch_id in viewer.get(BATCHES, {"q": batch_id}).content.decode()
    assert batch_id not in viewer.get(BATCHES, {"q": str(uuid4())}).content.decode()
    page = viewer.get(f"{BATCHES}{batch_id}/change/").content.decode()
    assert "pending: 500" in page


def test_an_operator_pauses_resumes_and_cancels(batch_id: str) -> None:
    operator = member_of("Operator")
    for action, said, state in (
        ("pause", "1 paused.", "paused"),
        ("resume", "1 resumed.", "running"),
        ("cancel", "1 cancelled.", "cancelled"),
    ):
        assert said in act(operator, action, batch_id)
        assert Batch.objects.get().state == state
    assert "cannot be paused" in act(operator, "pause", batch_id)


def test_a_viewer_cannot(batch_id: str) -> None:
    act(member_of("Viewer"), "cancel", batch_id)
    assert Batch.objects.get().state == "running"
