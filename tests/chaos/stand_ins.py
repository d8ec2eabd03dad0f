"""Fake providers that record every message that they accepted completely."""

import asyncio
import re
import time
from pathlib import Path
from typing import Any

from apps.common.channels import Channel
from tests.chaos.copies import Copy
from tests.fakes.fcm_server import FcmServer
from tests.fakes.http_server import Answer, Request
from tests.fakes.smtp_server import Conversation, SmtpServer

# Like a relay in the same network. One process handles one message at a time, so with a latency
# of 20 ms the load of single mails would exceed the capacity of the one email process.
SMTP_LATENCY_SECONDS = 0.005
FCM_LATENCY_SECONDS = 0.005
DRIP_SECONDS = 0.5
OK = 200

SUBJECT = re.compile(rb"^Subject: *(\S+)", re.IGNORECASE | re.MULTILINE)
CARRIED = re.compile(rb"^Message-ID: *<([^@>]+)@", re.IGNORECASE | re.MULTILINE)


class SmtpStandIn(SmtpServer):
    """A fake mail server; the subject of a mail is the reference of its request.

    Attributes:
        copies: Every mail that it accepted.
        dripping: The stages at which it sends continuation lines until the set is emptied.
        drips_after_data: How long it does so before the reply to a mail, in seconds.
        gone: Mailboxes that it refuses permanently, after ``let_go``.
        held: Recipients in ``gone`` that were tried since ``hold``.
    """

    def __init__(self) -> None:
        super().__init__(keep=False, latency=SMTP_LATENCY_SECONDS)
        self.copies: list[Copy] = []
        self.dripping: frozenset[str] = frozenset()
        self.drips_after_data = 0.0
        self.gone: frozenset[str] = frozenset()
        self.held: list[str] = []
        self._lets_go = asyncio.Event()
        self._unanswered: dict[int, Copy] = {}

    async def _say(self, stage: str, talk: Conversation, usual: str) -> str:
        while stage in self.dripping:
            await self._drip(talk, usual[:3])
        if stage == "rcpt" and talk.recipient in self.gone:
            self.held.append(talk.recipient)
            await self._lets_go.wait()
            return await self._give(talk, "550 5.1.1 No such mailbox")
        return await super()._say(stage, talk, usual)

    async def _give(self, talk: Conversation, reply: str) -> str:
        copy = self._unanswered.pop(talk.number, None)
        end = time.monotonic() + self.drips_after_data
        while copy is not None and time.monotonic() < end:
            await self._drip(talk, "250")
        said = await super()._give(talk, reply)
        if copy is not None and said.startswith("2"):
            copy.answered_at = time.time()
        return said

    async def _drip(self, talk: Conversation, code: str) -> None:
        talk.writer.write(f"{code}-One moment, please\r\n".encode())
        await talk.writer.drain()
        await asyncio.sleep(DRIP_SECONDS)

    def _take(self, talk: Conversation, content: bytes) -> None:
        super()._take(talk, content)
        subject, carried = SUBJECT.search(content), CARRIED.search(content)
        copy = Copy(
            ref=subject[1].decode() if subject else "",
            carried_id=carried[1].decode() if carried else "",
            channel=Channel.EMAIL,
            at=time.time(),
        )
        self.copies.append(copy)
        self._unanswered[talk.number] = copy

    def hold(self) -> None:
        """Delay the replies for mailboxes in ``gone``."""
        self.held.clear()
        self.loop.call_soon_threadsafe(self._lets_go.clear)

    def let_go(self) -> None:
        """Refuse all delayed recipients."""
        self.loop.call_soon_threadsafe(self._lets_go.set)

    def behave(self) -> None:
        """Reset to the usual replies."""
        self.rules = []
        self.takes_refused = False
        self.latency = SMTP_LATENCY_SECONDS
        self.dripping, self.drips_after_data = frozenset(), 0.0
        self.gone = frozenset()
        self.let_go()


class FcmStandIn(FcmServer):
    """A fake FCM; the title of a message is the reference of its request.

    Attributes:
        copies: Every message that it accepted.
        opens_at: No response is sent before this time, in Unix seconds.
    """

    def __init__(self) -> None:
        self.opens_at = 0.0
        super().__init__(keep=False, latency=FCM_LATENCY_SECONDS)
        self.copies: list[Copy] = []

    @property
    def latency(self) -> float:
        """Seconds before the next response."""
        return max(self._latency, self.opens_at - time.time())

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._latency = seconds

    def _send(self, request: Request) -> Answer:
        before = len(self.copies)
        answer = super()._send(request)
        if answer.status == OK and not (answer.drop or answer.hang):
            for copy in self.copies[before:]:
                # The message counts as accepted when the response is sent, which may be delayed.
                copy.at = copy.answered_at = time.time() + self.latency
        return answer

    def _take(self, message: dict[str, Any]) -> None:
        super()._take(message)
        self.copies.append(
            Copy(
                ref=message["notification"]["title"],
                carried_id=_id_of(message),
                channel=Channel.PUSH,
                at=time.time(),
            )
        )

    def behave(self) -> None:
        """Reset to the usual responses."""
        self.scripted = {}
        self.opens_at = 0.0


def _id_of(message: dict[str, Any]) -> str:
    """Return the one id by which every platform would recognise a second copy."""
    ids = {
        message["data"]["notification_id"],
        message["android"]["notification"]["tag"],
        message["apns"]["headers"]["apns-collapse-id"],
        message["webpush"]["notification"]["tag"],
    }
    return " and ".join(sorted(ids))


def settings_of(smtp: SmtpStandIn, fcm: FcmStandIn, *, folder: Path) -> dict[str, str]:
    """Return the environment variables that point the stack at the fake providers."""
    key_file = fcm.write_key_file(folder / "service-account.json")
    return {
        "EMAIL_PROVIDERS": "smtp",
        "PUSH_PROVIDERS": "fcm",
        "SMTP_HOST": smtp.host,
        "SMTP_PORT": str(smtp.port),
        "SMTP_TLS": "none",
        "FCM_API_URL": fcm.url,
        "FCM_SERVICE_ACCOUNT_FILE": str(key_file),
    }
