"""Secrets: signed with as the public library expects, encrypted at rest."""

import base64
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings
from standardwebhooks import Webhook, WebhookVerificationError

from apps.webhooks import retention, signing
from apps.webhooks.models import Endpoint
from tests.fakes.webhook_receiver import WebhookReceiver
from tests.webhooks.factories import endpoint_of

OLD_KEY = "an-older-key-that-nobody-else-knows-0123456789-abcdefghij"
NEW_KEY = "a-newer-key-that-nobody-else-knows-0123456789-abcdefghijk"


def headers_of(body: bytes, *secrets: str, timestamp: int) -> dict[str, str]:
    signature = signing.signature(
        event_id="evt-1", timestamp=timestamp, body=body, with_secrets=secrets
    )
    return {
        "webhook-id": "evt-1",
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature,
    }


def now() -> int:
    return int(time.time())


@given(st.dictionaries(st.text(), st.text()))
def test_the_public_library_verifies_what_is_signed(data: dict[str, str]) -> None:
    secret = signing.new_secret()
    body = json.dumps(data).encode()
    headers = headers_of(body, secret, timestamp=now())
    assert Webhook(secret).verify(body, headers) == data


def test_a_changed_body_is_refused_by_the_public_library() -> None:
    secret = signing.new_secret()
    headers = headers_of(b"{}", secret, timestamp=now())
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(b'{"a":1}', headers)


def test_either_secret_of_a_rotation_verifies() -> None:
    secrets = (signing.new_secret(), signing.new_secret())
    headers = headers_of(b"{}", *secrets, timestamp=now())
    for secret in secrets:
        assert Webhook(secret).verify(b"{}", headers) == {}


def test_a_secret_is_of_the_standards_length() -> None:
    secret = signing.new_secret()
    assert secret.startswith("whsec_")
    assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"))) <= 64
    assert signing.new_secret() != secret


def test_a_stored_secret_is_not_readable_without_the_key(settings: Settings) -> None:
    secret = signing.new_secret()
    stored = signing.encrypted(secret)
    assert secret.removeprefix("whsec_") not in stored
    assert signing.decrypted(stored) == secret
    settings.SECRET_KEY = NEW_KEY
    with pytest.raises(signing.UnreadableSecretError):
        signing.decrypted(stored)


@pytest.mark.django_db
def test_a_new_secret_key_reads_what_an_older_one_has_encrypted_and_encrypts_it_anew(
    settings: Settings, receiver: WebhookReceiver
) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = OLD_KEY, []
    endpoint = endpoint_of(receiver)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW_KEY, [OLD_KEY]
    assert signing.decrypted(endpoint.secret) == receiver.secret
    assert retention.renew_encryption() == 1
    assert retention.renew_encryption() == 0
    settings.SECRET_KEY_FALLBACKS = []
    assert signing.decrypted(Endpoint.objects.get().secret) == receiver.secret
