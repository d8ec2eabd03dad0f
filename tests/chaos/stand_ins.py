"""The providers' stand-ins, which write down every message that they took whole."""

import re
import time
from pathlib import Path
from typing import Any

from tests.chaos.ledger import Copy
from tests.fakes.fcm_server import FcmServer
from tests.fakes.smtp_server import Conversation, SmtpServer

# A relay in the same house. One process works on one message at a time, so with a latency of 20 ms
# the load of single mails would be more than the stack's one process for them can carry.
SMTP_LATENCY_SECONDS = 0.005
FCM_LATENCY_SECONDS = 0.005

SUBJECT = re.compile(rb"^Subject: *(\S+)", re.IGNORECASE | re.MULTILINE)
CARRIED = re.compile(rb"^Message-ID: *<([^@>]+)@", re.IGNORECASE | re.MULTILINE)


class SmtpStandIn(SmtpServer):
    """A mail server; the subject of a mail is the reference of its request."""

    def __init__(self) -> None:
        super().__init__(keep=False, latency=SMTP_LATENCY_SECONDS)
        self.copies: list[Copy] = []

    def _take(self, talk: Conversation, content: bytes) -> None:
        super()._take(talk, content)
        subject, carried = SUBJECT.search(content), CARRIED.search(content)
        self.copies.append(
            Copy(
                ref=subject[1].decode() if subject else "",
                carried_id=carried[1].decode() if carried else "",
                at=time.time(),
            )
        )

    def behave(self) -> None:
        """Answer as usual again."""
        self.rules = []
        self.takes_refused = False


class FcmStandIn(FcmServer):
    """FCM; the title of a message is the reference of its request."""

    def __init__(self) -> None:
        super().__init__(keep=False, latency=FCM_LATENCY_SECONDS)
        self.copies: list[Copy] = []

    def _take(self, message: dict[str, Any]) -> None:
        super()._take(message)
        self.copies.append(
            Copy(ref=message["notification"]["title"], carried_id=_id_of(message), at=time.time())
        )

    def behave(self) -> None:
        """Answer as usual again."""
        self.scripted = {}


def _id_of(message: dict[str, Any]) -> str:
    """Return the one id that every platform would recognise a second copy by."""
    ids = {
        message["data"]["notification_id"],
        message["android"]["notification"]["tag"],
        message["apns"]["headers"]["apns-collapse-id"],
        message["webpush"]["notification"]["tag"],
    }
    return " and ".join(sorted(ids))


def settings_of(smtp: SmtpStandIn, fcm: FcmStandIn, *, folder: Path) -> dict[str, str]:
    """Return the variables that lead the stack to the stand-ins."""
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
