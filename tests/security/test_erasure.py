"""After an erasure the database contains nothing about the user or the messages to them."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.common.channels import Channel
from apps.common.ids import new_id
from apps.notifications.dead_letters import store
from apps.notifications.feedback.events import ProviderEvent, ReceiptEvent
from apps.notifications.feedback.receipts import take
from apps.notifications.intake import account_mails
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import DeadLetter, Event, Notification, SandboxMessage
from apps.users import contacts, tokens
from apps.users.mail import AccountMail, AccountText
from apps.users.models import CategoryPreference, Device, ExternalId, Suppression, User
from tests.fakes.smtp_server import SmtpServer
from tests.notifications.delivering import deliver
from tests.notifications.factories import SHOP, accepted, person, row_with_status, template
from tests.security.database_search import columns_with

pytestmark = pytest.mark.django_db

# Text that identifies the user. All of it is in the database before, and none of it after.
NAME, ADDRESS, PENDING, TOKEN = "Dorothea", "dorothea@example.com", "later@example.com", "tok-dd-1"
WORDS = ("variable-dd", "metadata-dd", "request-dd", "external-dd", "category-dd", "provider-dd")
TRACES = (NAME, "dorothea@", PENDING, TOKEN, *WORDS, "note-dd")


@pytest.fixture
def dorothea(welcome: None) -> User:
    user = person("dorothea", pending_email=PENDING, tokens=(TOKEN,))
    ExternalId.objects.create(client="shop", user=user, value="external-dd")
    CategoryPreference.objects.create(user=user, category="category-dd", email=False)
    tokens.issue(user)
    return user


def sent(user: User, **changes: Any) -> Notification:
    variables = {"name": "variable-dd", "link": "https://example.com"}
    return accepted(user, **{"variables": variables, "metadata": {"a": "metadata-dd"}, **changes})


def test_nothing_in_the_database_identifies_an_erased_user(
    shop: APIClient, dorothea: User, smtp_server: SmtpServer, settings: Any
) -> None:
    template("code", content={"subject": "{{ name }}", "body": "-"}, sensitive=True)
    delivered = sent(dorothea, request_id="request-dd")
    deliver(channel=Channel.EMAIL, ids=[delivered.pk], attempt=0)
    sent(dorothea, template_code="code", variables={"name": "variable-dd"})
    # The reply of a server that refuses, in an attempt, in an event and in a dead letter.
    settings.EMAIL_PROVIDERS = ["smtp"]
    smtp_server.answer("rcpt", "554 5.7.1 provider-dd does not like this")
    refused = sent(dorothea)
    deliver(channel=Channel.EMAIL, ids=[refused.pk], attempt=0)
    store.record_failed([refused.pk])
    DeadLetter.objects.update(message={"body": "variable-dd"})
    # A receipt with the provider's text; account mails, of which one is pending and one is in the
    # sandbox; and a sandbox message from before account mails were notifications.
    bounced = row_with_status(dorothea, Status.SENT, attempts=1)
    word = ProviderEvent(
        provider="p", event=ReceiptEvent.FAILED, occurred_at=timezone.now(), detail="provider-dd"
    )
    take(bounced, word)
    # A report about the address, of which the hash is kept with the receipt.
    soft = ProviderEvent(provider="p", event=ReceiptEvent.SOFT_BOUNCED, occurred_at=timezone.now())
    take(bounced, soft)
    assert bounced.receipts.filter(address_hash__isnull=False).exists()
    settings.EMAIL_PROVIDERS = ["sandbox"]
    about_the_account(dorothea)
    SandboxMessage.objects.create(
        notification_id=new_id(), channel="email", recipient=ADDRESS, text=f"Hello {NAME}"
    )
    contacts.suppress(email=ADDRESS, reason="hard_bounce")
    Suppression.objects.update(note="note-dd")
    before = " ".join(columns_with(*TRACES))
    assert [trace for trace in TRACES if trace not in before] == []

    assert shop.delete(f"/api/v1/users/{dorothea.pk}").status_code == 204

    assert columns_with(*TRACES) == []
    assert not bounced.receipts.filter(address_hash__isnull=False).exists()
    assert Notification.objects.filter(user_id=dorothea.pk).count() == 6
    assert not SandboxMessage.objects.exists()
    assert not Device.objects.filter(user=dorothea).exists()


def about_the_account(user: User) -> None:
    for text, address in (
        (AccountText.RESET_PASSWORD, ADDRESS),
        (AccountText.CONFIRM_EMAIL, PENDING),
    ):
        account_mails.Mailer().send(
            AccountMail(
                text=text,
                user_id=user.pk,
                recipient=address,
                name=user.name,
                locale="en",
                timezone="UTC",
                link="https://example.com/variable-dd",
                expires_at=timezone.now() + timedelta(days=3),
            )
        )
    sent = Notification.objects.get(recipient=ADDRESS)
    deliver(channel=Channel.EMAIL, ids=[sent.pk], attempt=0)


def test_the_digest_of_the_request_is_erased_as_well(shop: APIClient, dorothea: User) -> None:
    sent(dorothea)
    shop.delete(f"/api/v1/users/{dorothea.pk}")
    digests = Notification.objects.values_list("body_digest", "canonical_digest", "digest_form")
    assert [(bytes(old), bytes(new or b""), form) for old, new, form in digests] == [
        (b"", b"", None)
    ]


def test_the_timeline_shows_that_the_user_was_erased(shop: APIClient, dorothea: User) -> None:
    row = sent(dorothea, caller=SHOP)
    shop.delete(f"/api/v1/users/{dorothea.pk}")
    assert list(Event.objects.values_list("notification_id", "detail")) == [
        (row.pk, "the user was erased")
    ]
