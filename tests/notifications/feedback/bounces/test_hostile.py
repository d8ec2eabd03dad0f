"""Anybody can write to the bounce mailbox: reading a mail takes bounded work and never fails."""

import random
from typing import Any

import pytest

from apps.notifications.feedback.bounces import mime
from apps.notifications.feedback.bounces.report import Kind, read_report
from tests.notifications.feedback.bounces import messages
from tests.notifications.feedback.bounces.messages import Original

ORIGINAL = Original(message_id="<0198f0c3-1100-7000-8000-000000000001@example.com>")
MEGABYTE = 1024 * 1024


def nested(depth: int) -> bytes:
    head = "".join(
        f"Content-Type: multipart/mixed; boundary=b{level}\n\n--b{level}\n"
        for level in range(depth)
    )
    return f"From: MAILER-DAEMON@x\n{head}Content-Type: text/plain\n\n".encode() + b"x\n" * MEGABYTE


HOSTILE: dict[str, bytes] = {
    "nested ten thousand times": nested(10_000),
    "a million boundaries": b"Content-Type: multipart/report; boundary=b\n\n" + b"--b\n" * MEGABYTE,
    "a header of five megabytes": b"X: " + b"a" * 5 * MEGABYTE,
    "a million headers": b"X: a\n" * MEGABYTE,
    "a million folded lines": b"X: a\n" + b" b\n" * MEGABYTE,
    "a million parameters": b"Content-Type: text/plain" + b";a=b" * MEGABYTE + b"\n\nx",
    "a million addresses": b"From: MAILER-DAEMON@x\n\n" + b"<a@b> " * MEGABYTE,
    "a million encoded words": b"X-Failed-Recipients: " + b"=?utf-8?q?a?= " * MEGABYTE + b"\n\nx",
    "a million groups": b"Content-Type: message/delivery-status\n\n" + b"a: b\n\n" * MEGABYTE,
    "a million ids": b"From: MAILER-DAEMON@x\n\n"
    + b"<0198f0c3-1100-7000-8000-000000000001@x>" * 200_000,
    "broken base64": b"Content-Type: message/delivery-status\nContent-Transfer-Encoding: base64\n\n"
    + b"=A" * MEGABYTE,
    "an empty boundary": b'Content-Type: multipart/report; boundary=""\n\n--\n',
    "a boundary of signs": b'Content-Type: multipart/report; boundary="(.*)+$["\n\n--(.*)+$[\n\nx',
    "no text": bytes(range(256)) * 4096,
    "only line ends": b"\r\n" * MEGABYTE,
    "only blanks": b" " * 5 * MEGABYTE,
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_mail_is_read_with_bounded_work(raw: bytes) -> None:
    found = read_report(raw)

    assert len(found.recipients) <= 20
    assert len(found.notification_ids) <= 20
    parts = mime.read(raw)
    assert len(parts) <= mime.PARTS_MAX
    assert sum(len(part.body) for part in parts) <= mime.EXAMINED_BYTES


def test_no_more_than_the_first_megabyte_is_examined() -> None:
    raw = messages.exim(ORIGINAL)
    assert read_report(raw + b"x" * 9 * MEGABYTE).kind is Kind.BOUNCE
    assert read_report(b"X: y\n\n" + b"x\n" * MEGABYTE + raw).kind is Kind.OTHER


@pytest.mark.parametrize("seed", range(20))
def test_a_mail_that_is_cut_off_or_damaged_anywhere_never_fails(seed: int) -> None:
    chance = random.Random(seed)
    forms: list[Any] = [*messages.BOUNCES.values(), messages.complaint]
    for form in forms:
        raw = bytearray(form(ORIGINAL))
        for _ in range(chance.randint(0, 20)):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        cut = bytes(raw[: chance.randrange(len(raw))])
        assert read_report(cut).kind in set(Kind)
