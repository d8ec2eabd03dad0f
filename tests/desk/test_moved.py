"""Addresses that staff may have kept lead to the pages of today."""

import pytest
from django.test import Client
from django.urls import reverse

from tests.desk.conftest import Login

PK = "01a22682-9c55-74f7-94fe-7c2427d0f925"
ADDRESSES = {
    "notification/": "/admin/messages/",
    f"notification/{PK}/change/": f"/admin/messages/{PK}/",
    f"notification/{PK}/history/": f"/admin/messages/{PK}/",
    "notification/?status__exact=failed&q=ada%40example.com&p=3": (
        "/admin/messages/?status=failed&q=ada%40example.com"
    ),
    "batch/": "/admin/batches/",
    f"batch/{PK}/change/": f"/admin/batches/{PK}/",
    "deadletter/?state=all&reason=rejected": "/admin/dead-letters/?state=all&reason=rejected",
    f"deadletter/{PK}/change/": f"/admin/dead-letters/{PK}/",
    "deadletterreplay/": "/admin/dead-letters/replays/",
    "deadletterreplay/add/": "/admin/dead-letters/replays/",
    f"deadletterreplay/{PK}/change/": f"/admin/dead-letters/replays/{PK}/",
    "deadletteraction/": "/admin/audit/",
    "heartbeat/": "/admin/processes/",
    "dailycount/": "/admin/",
}


@pytest.mark.parametrize(("old", "new"), ADDRESSES.items())
def test_an_old_address_leads_to_the_page_of_today(old: str, new: str, login: Login) -> None:
    answer = login("Viewer").get(f"/admin/notifications/{old}")

    assert (answer.status_code, answer["Location"]) == (301, new)


def test_an_old_address_shows_nothing_to_others() -> None:
    assert (
        Client()
        .get(f"/admin/notifications/batch/{PK}/change/", follow=True)
        .redirect_chain[-1][0]
        .startswith(reverse("admin:login"))
    )
