"""FCM: the message that is sent, the token exchange, and the meaning of every answer."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.base import Push
from apps.notifications.providers.fcm.provider import FcmProvider
from tests.fakes.fcm_server import FcmServer, refusal
from tests.fakes.http_server import Answer, json_answer
from tests.fakes.messages import a_push

TOKEN = "token-of-bob"
BAD_TOKEN = "The registration token is not a valid FCM registration token"


@pytest.fixture
def fcm() -> Iterator[FcmProvider]:
    provider = FcmProvider(timeout=10)
    yield provider
    provider.close()


@pytest.fixture
def hasty() -> Iterator[FcmProvider]:
    """Make a provider for an API that never answers."""
    provider = FcmProvider(timeout=0.5)
    yield provider
    provider.close()


def sent(fcm: FcmProvider, server: FcmServer, push: Push) -> dict[str, Any]:
    assert fcm.send(push).outcome is Outcome.ACCEPTED
    return server.messages[-1]


def test_a_plain_push_contains_its_ids_and_tags(fcm: FcmProvider, fcm_server: FcmServer) -> None:
    push = a_push()
    tag = str(push.notification_id)

    assert sent(fcm, fcm_server, push) == {
        "token": TOKEN,
        "notification": {"title": "Your order", "body": "It is on its way."},
        "data": {"notification_id": tag, "correlation_id": "corr-1"},
        "android": {"priority": "high", "notification": {"tag": tag, "sound": "default"}},
        "apns": {
            "headers": {"apns-collapse-id": tag, "apns-priority": "10"},
            "payload": {"aps": {"sound": "default"}},
        },
        "webpush": {"headers": {"Urgency": "high"}, "notification": {"tag": tag}},
    }


def test_a_rich_push_contains_picture_link_and_ttl(fcm: FcmProvider, fcm_server: FcmServer) -> None:
    push = a_push(
        image="https://example.com/a.png",
        link="https://example.com/orders/1",
        data={"order": "1"},
        ttl_seconds=3600,
    )
    before = int(time.time())

    message = sent(fcm, fcm_server, push)

    assert message["notification"]["image"] == "https://example.com/a.png"
    assert message["data"]["link"] == "https://example.com/orders/1"
    assert message["data"]["order"] == "1"
    assert message["android"]["ttl"] == "3600s"
    assert message["apns"]["payload"] == {"aps": {"mutable-content": 1, "sound": "default"}}
    assert message["apns"]["fcm_options"] == {"image": "https://example.com/a.png"}
    assert int(message["apns"]["headers"]["apns-expiration"]) - before in {3600, 3601}
    assert message["webpush"]["headers"] == {"TTL": "3600", "Urgency": "high"}
    assert message["webpush"]["fcm_options"] == {"link": "https://example.com/orders/1"}
    assert message["webpush"]["notification"]["image"] == "https://example.com/a.png"
    assert "collapse_key" not in message["android"]


def test_webpush_opens_only_https_links(fcm: FcmProvider, fcm_server: FcmServer) -> None:
    message = sent(fcm, fcm_server, a_push(link="shop://orders/1"))

    assert message["data"]["link"] == "shop://orders/1"
    assert "fcm_options" not in message["webpush"]


def test_data_cannot_replace_our_ids(fcm: FcmProvider, fcm_server: FcmServer) -> None:
    push = a_push(data={"notification_id": "x", "correlation_id": "y"})

    message = sent(fcm, fcm_server, push)

    assert message["data"]["notification_id"] == str(push.notification_id)
    assert message["data"]["correlation_id"] == "corr-1"


def test_a_ttl_stays_within_four_weeks(fcm: FcmProvider, fcm_server: FcmServer) -> None:
    assert sent(fcm, fcm_server, a_push(ttl_seconds=10**9))["android"]["ttl"] == "2419200s"
    assert sent(fcm, fcm_server, a_push(ttl_seconds=-5))["android"]["ttl"] == "0s"


def test_a_payload_of_4096_bytes_is_sent_and_one_more_is_not(
    fcm: FcmProvider, fcm_server: FcmServer
) -> None:
    # The rest is {"title":"","body":"","image":null,"text":"","notification_id":"<36>",
    # "correlation_id":"corr-1"}, which is 128 bytes; each ä takes two bytes.
    fits = a_push(title="", body="", data={"text": "ä" * 1984})
    over = a_push(title="", body="", data={"text": "ä" * 1984 + "x"})

    accepted, refused = fcm.send(fits), fcm.send(over)

    assert accepted.outcome is Outcome.ACCEPTED
    assert (refused.outcome, refused.reason) == (Outcome.REJECTED, "payload_too_large")
    assert fcm_server.requests == 1


def test_a_receipt_is_left_out_of_a_push_that_is_too_large_with_it(
    fcm: FcmProvider, fcm_server: FcmServer
) -> None:
    # {"receipt":"<87>"} takes 100 bytes with its comma, of the 4096 with the 128 as above.
    receipt = "r" * 87
    fits = a_push(title="", body="", data={"text": "x" * 3868}, receipt=receipt)
    over = a_push(title="", body="", data={"text": "x" * 3869}, receipt=receipt)

    assert sent(fcm, fcm_server, fits)["data"]["receipt"] == receipt
    without = sent(fcm, fcm_server, over)["data"]

    assert "receipt" not in without
    assert without["text"] == "x" * 3869


ROWS = [
    ("UNREGISTERED", refusal(404, "NOT_FOUND", "Requested entity was not found.",
                             fcm="UNREGISTERED"),
     Outcome.DEAD_ADDRESS, "unregistered", None),
    ("INVALID_ARGUMENT", refusal(400, "INVALID_ARGUMENT", BAD_TOKEN, fcm="INVALID_ARGUMENT"),
     Outcome.DEAD_ADDRESS, "invalid_token", None),
    ("INVALID_ARGUMENT", refusal(400, "INVALID_ARGUMENT", "Request contains an invalid argument.",
                                 fcm="INVALID_ARGUMENT",
                                 violation=("message.token", BAD_TOKEN)),
     Outcome.DEAD_ADDRESS, "invalid_token", None),
    ("INVALID_ARGUMENT", refusal(400, "INVALID_ARGUMENT", "Request contains an invalid argument.",
                                 fcm="INVALID_ARGUMENT",
                                 violation=("message.data[0].value", "Invalid value")),
     Outcome.DEFECT, "invalid_argument", None),
    ("INVALID_ARGUMENT", refusal(400, "INVALID_ARGUMENT", BAD_TOKEN, fcm="INVALID_ARGUMENT",
                                 violation=("message.android.ttl", "Invalid value")),
     Outcome.DEFECT, "invalid_argument", None),
    ("INVALID_ARGUMENT", refusal(400, "INVALID_ARGUMENT", "Something else."),
     Outcome.DEFECT, "invalid_argument", None),
    ("INVALID_ARGUMENT", refusal(400, "INVALID_ARGUMENT", "Android message is too big",
                                 fcm="INVALID_ARGUMENT"),
     Outcome.REJECTED, "payload_too_large", None),
    ("SENDER_ID_MISMATCH", refusal(403, "PERMISSION_DENIED", "SenderId mismatch",
                                   fcm="SENDER_ID_MISMATCH"),
     Outcome.DEAD_ADDRESS, "sender_id_mismatch", None),
    ("QUOTA_EXCEEDED", refusal(429, "RESOURCE_EXHAUSTED", "Quota", fcm="QUOTA_EXCEEDED"),
     Outcome.RATE_LIMITED, "quota_exceeded", 60.0),
    ("QUOTA_EXCEEDED", refusal(429, "RESOURCE_EXHAUSTED", "Quota", fcm="QUOTA_EXCEEDED",
                               retry_after="5"),
     Outcome.RATE_LIMITED, "quota_exceeded", 60.0),
    ("QUOTA_EXCEEDED", refusal(429, "RESOURCE_EXHAUSTED", "Quota", fcm="QUOTA_EXCEEDED",
                               retry_after="300"),
     Outcome.RATE_LIMITED, "quota_exceeded", 300.0),
    ("429 RESOURCE_EXHAUSTED", refusal(429, "RESOURCE_EXHAUSTED", "Quota"),
     Outcome.RATE_LIMITED, "quota_exceeded", 60.0),
    ("UNAVAILABLE", refusal(503, "UNAVAILABLE", "Busy", fcm="UNAVAILABLE"),
     Outcome.TRANSIENT, "unavailable", 10.0),
    ("UNAVAILABLE", refusal(503, "UNAVAILABLE", "Busy", fcm="UNAVAILABLE", retry_after="45"),
     Outcome.TRANSIENT, "unavailable", 45.0),
    ("INTERNAL", refusal(500, "INTERNAL", "Oops", fcm="INTERNAL"),
     Outcome.TRANSIENT, "internal", 10.0),
    ("500", Answer(status=500, body=b"<html>"), Outcome.TRANSIENT, "internal", 10.0),
    ("502", Answer(status=502), Outcome.TRANSIENT, "unavailable", 10.0),
    ("504", Answer(status=504), Outcome.UNKNOWN, "timeout", 10.0),
    ("UNSPECIFIED_ERROR", refusal(500, "UNKNOWN", "?", fcm="UNSPECIFIED_ERROR"),
     Outcome.UNKNOWN, "unspecified", None),
    ("THIRD_PARTY_AUTH_ERROR", refusal(401, "UNAUTHENTICATED", "Bad APNs key",
                                       fcm="THIRD_PARTY_AUTH_ERROR"),
     Outcome.CONFIGURATION, "third_party_auth_error", None),
    ("401 UNAUTHENTICATED", refusal(401, "UNAUTHENTICATED", "Bad token"),
     Outcome.CONFIGURATION, "credentials", None),
    ("403 PERMISSION_DENIED", refusal(403, "PERMISSION_DENIED", "Not allowed", retry_after="9"),
     Outcome.CONFIGURATION, "credentials", None),
    ("404", Answer(status=404, body=b"<html>Not Found</html>"),
     Outcome.CONFIGURATION, "not_found", None),
    ("418", Answer(status=418, body=b"tea"), Outcome.UNKNOWN, "unexpected_answer", None),
]  # fmt: skip


@pytest.mark.parametrize(("code", "answer", "outcome", "reason", "wait"), ROWS)
def test_each_answer_has_its_meaning_after_one_call(
    fcm: FcmProvider,
    fcm_server: FcmServer,
    code: str,
    answer: Answer,
    outcome: Outcome,
    reason: str,
    wait: float | None,
) -> None:
    fcm_server.answer(TOKEN, answer)

    reply = fcm.send(a_push())

    assert (reply.outcome, reply.reason, reply.code) == (outcome, reason, code)
    assert reply.retry_after == wait
    assert fcm_server.requests == 1
    assert fcm_server.messages == []


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (503, b'{"error": [1]}', Outcome.TRANSIENT),
        (400, b'{"error": {"details": 3}}', Outcome.DEFECT),
        (
            400,
            b'{"error": {"details": [1, {"@type": 5}], "message": 7, "status": []}}',
            Outcome.DEFECT,
        ),
        (200, b"{}", Outcome.UNKNOWN),
        (200, b"[]", Outcome.UNKNOWN),
        (500, b"\xff\xfe", Outcome.TRANSIENT),
    ],
)
def test_an_answer_of_another_shape_is_handled_and_keeps_the_token(
    fcm: FcmProvider, fcm_server: FcmServer, status: int, body: bytes, outcome: Outcome
) -> None:
    fcm_server.answer(TOKEN, Answer(status=status, body=body))

    reply = fcm.send(a_push())

    assert reply.outcome is outcome
    assert reply.code


def test_retry_after_may_be_a_date(fcm: FcmProvider, fcm_server: FcmServer) -> None:
    later = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 200))
    fcm_server.answer(
        TOKEN, refusal(503, "UNAVAILABLE", "Busy", fcm="UNAVAILABLE", retry_after=later)
    )

    assert fcm.send(a_push()).retry_after == pytest.approx(200, abs=2)


def test_one_exchange_serves_many_threads(fcm: FcmProvider, fcm_server: FcmServer) -> None:
    pushes = [a_push(f"token-{number}") for number in range(60)]

    replies = fcm.send_all(pushes, until=time.monotonic() + 10)

    assert {reply and reply.outcome for reply in replies} == {Outcome.ACCEPTED}
    assert fcm_server.exchanges == 1


def test_an_access_token_that_the_api_refuses_is_exchanged_for_a_new_one(
    fcm: FcmProvider, fcm_server: FcmServer
) -> None:
    fcm.send(a_push())
    fcm_server.access_tokens.clear()

    refused, accepted = fcm.send(a_push()), fcm.send(a_push())

    assert (refused.outcome, accepted.outcome) == (Outcome.CONFIGURATION, Outcome.ACCEPTED)
    assert fcm_server.exchanges == 2


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (json_answer(400, {"error": "invalid_grant"}), Outcome.CONFIGURATION),
        (json_answer(401, {"error": "invalid_client"}), Outcome.CONFIGURATION),
        (json_answer(200, {}), Outcome.CONFIGURATION),
        (Answer(drop=True), Outcome.TRANSIENT),
    ],
)
def test_a_failed_exchange_sends_nothing(
    fcm: FcmProvider, fcm_server: FcmServer, answer: Answer, outcome: Outcome
) -> None:
    fcm_server.token_answers = [answer, answer]

    reply = fcm.send(a_push())

    assert (reply.outcome, reply.reason) == (outcome, "token_exchange")
    assert fcm_server.requests == 0


def test_a_busy_token_endpoint_is_transient(fcm: FcmProvider, fcm_server: FcmServer) -> None:
    fcm_server.token_answers = [json_answer(503, {"error": "backend_error"})] * 3

    assert fcm.send(a_push()).outcome is Outcome.TRANSIENT


def test_threads_share_one_failed_exchange(
    fcm: FcmProvider, fcm_server: FcmServer, settings: Settings, tmp_path: Path
) -> None:
    key_file = fcm_server.write_key_file(tmp_path / "k.json", client_email="eve@example.com")
    settings.FCM_SERVICE_ACCOUNT_FILE = str(key_file)
    fcm_server.latency = 0.2

    replies = fcm.send_all([a_push() for _ in range(20)], until=time.monotonic() + 10)

    assert {reply and reply.outcome for reply in replies} == {Outcome.CONFIGURATION}
    assert fcm_server.exchanges <= 3


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"type": "service_account"}'])
def test_an_invalid_key_file_is_a_configuration_error_until_it_is_repaired(
    fcm: FcmProvider, fcm_server: FcmServer, settings: Settings, tmp_path: Path, content: str
) -> None:
    key_file = tmp_path / "broken.json"
    key_file.write_text(content)
    settings.FCM_SERVICE_ACCOUNT_FILE = str(key_file)

    broken = fcm.send(a_push())
    fcm_server.write_key_file(key_file)
    mended = fcm.send(a_push())

    assert (broken.outcome, broken.reason) == (Outcome.CONFIGURATION, "settings")
    assert mended.outcome is Outcome.ACCEPTED


def test_silence_is_an_unknown_outcome(hasty: FcmProvider, fcm_server: FcmServer) -> None:
    fcm_server.answer(TOKEN, Answer(hang=True))

    reply = hasty.send(a_push())

    assert reply.outcome is Outcome.UNKNOWN
    assert TOKEN not in reply.detail
    assert len(fcm_server.messages) == 1
