"""Reports that fit no message are shown with what they name."""

import re

from django.utils import timezone

from apps.common.ids import new_id
from apps.notifications.models import Receipt
from apps.users.models import User
from tests.desk.conftest import Login
from tests.notifications.factories import accepted

PAGE = "/admin/providers/unmatched/"


def test_the_page_says_why_each_report_fits_no_message(login: Login, ada: User) -> None:
    row = accepted(ada)
    for named in (None, row.pk, new_id()):
        Receipt.objects.create(
            named_id=named, provider="sendgrid", event="delivered", occurred_at=timezone.now()
        )
    Receipt.objects.create(
        notification=row, provider="sendgrid", event="opened", occurred_at=timezone.now()
    )

    page = login("Viewer").get(PAGE).content.decode()

    assert len(re.findall(r"<td>sendgrid delivered it</td>", page)) == 3
    assert "opened" not in page
    assert f"/admin/messages/{row.pk}/" in page
    for words in ("names no message", "given to no provider", "no such message here"):
        assert len(re.findall(words, page)) == 1


def test_the_page_is_led_to_and_says_when_it_is_empty(login: Login) -> None:
    viewer = login("Viewer")
    for page in ("/admin/settings/", "/admin/providers/"):
        assert PAGE in viewer.get(page).content.decode()
    assert "Every report fits a message." in viewer.get(PAGE).content.decode()
