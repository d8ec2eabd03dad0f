"""The meaning of every SMTP reply."""

import pytest

from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.smtp.replies import Stage, classify

TRANSIENT = [
    (421, "4.3.2 Shutting down", Stage.RCPT),
    (421, "5.7.1 Closing", Stage.MAIL),
    (450, "Mailbox busy", Stage.RCPT),
    (451, "4.3.0 Local error", Stage.END),
    (452, "4.3.1 Out of storage", Stage.RCPT),
    (550, "4.2.1 The enhanced status comes first", Stage.RCPT),
    (554, "4.4.7 So here too", Stage.END),
    (455, "Unable to accommodate parameters", Stage.MAIL),
]
TOO_FAST = [
    (421, "4.7.28 Our system has detected an unusual rate of unsolicited mail", Stage.END),
    (450, "4.7.1 Error: too much mail from 192.0.2.1", Stage.MAIL),
    (451, "4.7.500 Server busy. Please try again later", Stage.RCPT),
    (452, "Too many messages in this session", Stage.MAIL),
    (454, "Throttling failure: Maximum sending rate exceeded.", Stage.END),
    (454, "Not now", Stage.RCPT),
    (432, "4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded", Stage.END),
]
OTHER_WAITS = [
    (450, "4.2.1 The user you are trying to contact is receiving mail too quickly", Stage.RCPT),
    (451, "4.7.1 Greylisted, please try again later", Stage.RCPT),
    (421, "4.3.2 Shutting down", Stage.RCPT),
    (550, "4.7.1 Rate", Stage.RCPT),
]
DEAD = [
    (550, "5.1.1 No such user", Stage.RCPT),
    (551, "5.1.6 Has moved", Stage.RCPT),
    (553, "5.1.3 Bad syntax", Stage.RCPT),
    (550, "5.1.2 No such host", Stage.RCPT),
    (554, "5.1.1 No such user", Stage.END),
    (550, "5.2.1 Mailbox disabled", Stage.RCPT),
    (556, "5.1.10 Null MX", Stage.RCPT),
    (450, "5.1.1 The enhanced status comes first", Stage.RCPT),
    (501, "5.1.3 Bad recipient address syntax", Stage.RCPT),
    (556, "Domain does not accept mail", Stage.RCPT),
]
POLICY = [
    (550, "5.7.1 Rejected by policy", Stage.RCPT),
    (554, "5.7.1 Spam", Stage.END),
    (550, "5.7.26 Unauthenticated mail", Stage.END),
    (571, "Blocked", Stage.RCPT),
]
REJECTED = [
    (550, "No such user here", Stage.RCPT),
    (551, "User not local", Stage.RCPT),
    (553, "Not allowed", Stage.RCPT),
    (554, "Transaction failed", Stage.END),
    (554, "5.6.0 Bad content", Stage.END),
]
CREDENTIALS = [
    (530, "5.7.0 Authentication required", Stage.MAIL),
    (534, "5.7.9 Mechanism too weak", Stage.AUTH),
    (535, "5.7.8 Bad credentials", Stage.AUTH),
    (535, "5.7.3 Unsuccessful", Stage.AUTH),
    (530, "Must issue a STARTTLS command first", Stage.MAIL),
    (550, "5.7.8 Bad credentials", Stage.MAIL),
    (504, "5.5.4 Unrecognized authentication type", Stage.AUTH),
]
DEFECTS = [
    (500, "5.5.2 Syntax error", Stage.RCPT),
    (501, "5.5.4 Invalid arguments", Stage.MAIL),
    (502, "Not implemented", Stage.DATA),
    (503, "5.5.1 Bad sequence", Stage.RCPT),
    (504, "Parameter not implemented", Stage.MAIL),
    (555, "Parameters not recognized", Stage.RCPT),
]


@pytest.mark.parametrize(("code", "text", "stage"), TRANSIENT)
def test_a_temporary_refusal_is_transient(code: int, text: str, stage: Stage) -> None:
    assert classify(code, text, stage).outcome is Outcome.TRANSIENT


@pytest.mark.parametrize("code", [450, 451, 454, 550])
def test_greylisting_waits_at_least_a_minute(code: int) -> None:
    reply = classify(code, "4.7.1 Greylisted, come back in 5 minutes", Stage.RCPT)

    assert (reply.outcome, reply.reason, reply.retry_after) == (
        Outcome.TRANSIENT,
        "greylisted",
        60.0,
    )


@pytest.mark.parametrize(("code", "text", "stage"), TOO_FAST)
def test_a_request_to_slow_down_is_rate_limited(code: int, text: str, stage: Stage) -> None:
    reply = classify(code, text, stage)

    assert (reply.outcome, reply.reason) == (Outcome.RATE_LIMITED, "slow_down")
    assert reply.retry_after == (60.0 if text.startswith("4.7") else None)


@pytest.mark.parametrize(("code", "text", "stage"), OTHER_WAITS)
def test_other_reasons_to_wait_are_not_rate_limited(code: int, text: str, stage: Stage) -> None:
    assert classify(code, text, stage).outcome is Outcome.TRANSIENT


def test_other_refusals_have_no_retry_after() -> None:
    assert classify(450, "4.2.0 Busy", Stage.RCPT).retry_after is None


@pytest.mark.parametrize(("code", "text", "stage"), DEAD)
def test_a_dead_address_is_a_hard_bounce(code: int, text: str, stage: Stage) -> None:
    reply = classify(code, text, stage)

    assert (reply.outcome, reply.reason) == (Outcome.DEAD_ADDRESS, "hard_bounce")


@pytest.mark.parametrize(("code", "text", "stage"), POLICY)
def test_a_policy_refusal_is_not_a_hard_bounce(code: int, text: str, stage: Stage) -> None:
    reply = classify(code, text, stage)

    assert (reply.outcome, reply.reason) == (Outcome.REJECTED, "policy")


@pytest.mark.parametrize(("code", "text", "stage"), REJECTED)
def test_a_refusal_without_a_clear_reason_is_not_a_hard_bounce(
    code: int, text: str, stage: Stage
) -> None:
    assert classify(code, text, stage).outcome is Outcome.REJECTED


@pytest.mark.parametrize(
    ("code", "text"),
    [(552, "5.2.2 Mailbox full"), (552, "Mailbox full"), (452, "4.2.2 Over quota")],
)
def test_a_full_mailbox_is_tried_again(code: int, text: str) -> None:
    reply = classify(code, text, Stage.RCPT)

    assert (reply.outcome, reply.reason) == (Outcome.TRANSIENT, "mailbox_full")


@pytest.mark.parametrize(
    ("code", "text"), [(552, "5.3.4 Message too big"), (554, "5.2.3 Message too long")]
)
def test_a_mail_that_is_too_large_is_rejected(code: int, text: str) -> None:
    reply = classify(code, text, Stage.END)

    assert (reply.outcome, reply.reason) == (Outcome.REJECTED, "message_too_large")


@pytest.mark.parametrize(("code", "text", "stage"), CREDENTIALS)
def test_refused_credentials_are_a_configuration_error(code: int, text: str, stage: Stage) -> None:
    reply = classify(code, text, stage)

    assert (reply.outcome, reply.reason) == (Outcome.CONFIGURATION, "credentials")


@pytest.mark.parametrize(("code", "text", "stage"), DEFECTS)
def test_a_protocol_error_of_the_client_is_a_defect(code: int, text: str, stage: Stage) -> None:
    assert classify(code, text, stage).outcome is Outcome.DEFECT


QUOTAS = [
    (550, "5.4.5 Daily user sending limit exceeded. For more information", Stage.MAIL),
    (550, "5.4.5 Daily user sending limit exceeded.", Stage.END),
    (554, "5.7.0 The limit on the number of allowed outgoing messages was exceeded.", Stage.END),
    (
        550,
        "Domain example.com has exceeded the max emails per hour (100/100 (100%)) allowed.",
        Stage.RCPT,
    ),
    (554, "Message rejected: daily message quota exceeded", Stage.END),
    (550, "5.7.1 Sender rate limit exceeded", Stage.MAIL),
    (550, "5.1.90 Your message can't be sent because you've reached your daily limit", Stage.END),
    (550, "5.7.233 Your tenant has exceeded its external recipient rate limit", Stage.RCPT),
    (550, "5.7.705 Access denied, tenant has exceeded threshold", Stage.END),
    (
        550,
        "5.7.1 We have detected an unusual rate of mail from your sending address",
        Stage.END,
    ),
    (554, "5.7.1 You have reached your monthly sending limit", Stage.MAIL),
    (552, "Outgoing message quota exceeded", Stage.END),
]
NO_QUOTAS = [
    (550, "5.7.1 Message rejected as spam", Stage.END),
    (554, "5.7.1 The recipient has exceeded the limit of messages per hour", Stage.RCPT),
    (550, "Recipient's mailbox has exceeded its daily limit", Stage.RCPT),
    (554, "The number of Received headers exceeds the maximum", Stage.END),
    (550, "5.7.26 Unauthenticated mail from this sender is not accepted", Stage.END),
    (550, "5.7.1 Sending address rejected", Stage.RCPT),
]


@pytest.mark.parametrize(("code", "text", "stage"), QUOTAS)
def test_the_quota_of_the_sender_is_no_fault_of_the_mail(
    code: int, text: str, stage: Stage
) -> None:
    reply = classify(code, text, stage)

    assert (reply.outcome, reply.reason) == (Outcome.CONFIGURATION, "sender_quota")


@pytest.mark.parametrize(("code", "text", "stage"), NO_QUOTAS)
def test_other_limits_are_not_the_quota_of_the_sender(code: int, text: str, stage: Stage) -> None:
    assert classify(code, text, stage).outcome is Outcome.REJECTED


@pytest.mark.parametrize("stage", [Stage.CONNECT, Stage.EHLO, Stage.STARTTLS, Stage.AUTH])
@pytest.mark.parametrize("code", [421, 450, 451, 454])
def test_a_temporary_refusal_before_the_mail_concerns_the_provider(code: int, stage: Stage) -> None:
    reply = classify(code, "4.3.2 System not accepting messages", stage)

    assert reply.outcome is Outcome.UNAVAILABLE


@pytest.mark.parametrize("code", [421, 450])
def test_too_many_sessions_ask_for_fewer_calls(code: int) -> None:
    reply = classify(code, "4.7.0 Too many connections from your address", Stage.CONNECT)

    assert (reply.outcome, reply.reason) == (Outcome.UNAVAILABLE, "slow_down")


@pytest.mark.parametrize(
    "text", ["5.1.1 The account\n5.1.1 does not exist", b"5.1.1 The account\n5.1.1 does not exist"]
)
def test_the_enhanced_status_of_each_line_is_in_the_code_only(text: str | bytes) -> None:
    reply = classify(550, text, Stage.RCPT)

    assert (reply.code, reply.detail) == ("550 5.1.1", "The account does not exist")


@pytest.mark.parametrize("stage", [Stage.CONNECT, Stage.EHLO])
def test_a_refusal_of_the_whole_session_is_a_configuration_error(stage: Stage) -> None:
    reply = classify(554, "5.7.1 Your address is listed", stage)

    assert (reply.outcome, reply.reason) == (Outcome.CONFIGURATION, "session")


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("5.1.8 Sender domain not found", Stage.RCPT),
        ("5.1.7 Bad sender address", Stage.END),
        ("5.1.1 Unknown sender", Stage.MAIL),
    ],
)
def test_a_refused_sender_is_a_configuration_error_and_not_a_bounce(
    text: str, stage: Stage
) -> None:
    reply = classify(550, text, stage)

    assert (reply.outcome, reply.reason) == (Outcome.CONFIGURATION, "sender")


@pytest.mark.parametrize("code", [-1, 0, 99, 354, 700])
def test_an_unreadable_reply_is_unknown_only_after_the_final_dot(code: int) -> None:
    assert classify(code, "?", Stage.END).outcome is Outcome.UNKNOWN
    assert classify(code, "?", Stage.RCPT).outcome is Outcome.TRANSIENT


def test_an_acceptance_contains_the_id_of_the_server() -> None:
    reply = classify(250, b"2.0.0 Ok: queued as 4Xyz-12", Stage.END)

    assert (reply.outcome, reply.code, reply.provider_message_id) == (
        Outcome.ACCEPTED,
        "250 2.0.0",
        "4Xyz-12",
    )


def test_the_detail_of_a_reply_contains_no_recipient() -> None:
    words = b"5.1.1 <bob@example.com>: Recipient address rejected for Alice@Example.com"

    reply = classify(550, words, Stage.RCPT, "bob@example.com")

    assert reply.code == "550 5.1.1"
    assert reply.detail == "<***>: Recipient address rejected for ***"


def test_the_detail_is_truncated_to_one_short_line() -> None:
    reply = classify(554, "5.6.0 line\nline\x07\xff" + "words " * 1000, Stage.END)

    assert reply.detail.startswith("line line \xffwords")
    assert len(reply.detail) == 500
