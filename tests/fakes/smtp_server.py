"""A scriptable SMTP server on a real socket.

As a program it accepts every mail and counts them:
``python -m tests.fakes.smtp_server --port 2525``.
"""

import argparse
import asyncio
import base64
import email
import email.policy
import re
import ssl
from collections import Counter
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from tests.fakes.http_server import run_as_program
from tests.fakes.loop import ServerThread

DROP = "DROP"  # Close the connection without a reply.
HANG = "HANG"  # Never reply.
# Prefix of a code: an endless reply of continuation lines (RFC 5321, 4.2.1) with pauses between.
DRIP = "DRIP "
DRIP_SECONDS = 0.05
DRIP_LINES = 1000
MESSAGE_ID = re.compile(rb"^Message-ID: *(\S+)", re.IGNORECASE | re.MULTILINE)


@dataclass(kw_only=True)
class Rule:
    """One scripted reply, used ``times`` times or always."""

    stage: str
    reply: str
    recipient: str | None = None
    times: int | None = None


@dataclass(kw_only=True)
class Received:
    """One mail that was accepted."""

    connection: int
    sender: str
    recipient: str
    content: bytes
    options: str
    tls: bool
    user: str | None

    @property
    def parsed(self) -> EmailMessage:
        return email.message_from_bytes(self.content, policy=email.policy.default)


@dataclass(kw_only=True)
class Conversation:
    """State of one connection.

    Attributes:
        taken: The number of mails accepted in it.
        refused_over_limit: Whether a mail was refused because of ``session_limit``.
        greeted_as: The name that the client gave.
        followed: The commands after which another one had arrived before their reply was sent.
    """

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    tls: bool
    user: str | None = None
    sender: str = ""
    options: str = ""
    recipient: str = ""
    recipient_taken: bool = False
    commands: list[str] = field(default_factory=list)
    taken: int = 0
    refused_over_limit: bool = False
    greeted_as: str = ""
    followed: list[str] = field(default_factory=list)


class SmtpServer(ServerThread):
    """Accepts mail.

    Args:
        tls: ``none``, ``starttls`` or ``implicit``.
        context: The server's certificate, for the latter two.
        users: Names and passwords; if there are any, AUTH is offered and required.
        smtputf8: Whether SMTPUTF8 is offered.
        pipelining: Whether PIPELINING is offered.
        keep: Whether mails are stored; otherwise they are only counted.

    Attributes:
        session_limit: How many mails a session takes; the stage and the reply of the next one.
        takes_refused: Whether a mail is stored even if the reply to the final dot is a refusal.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        tls: str = "none",
        context: ssl.SSLContext | None = None,
        users: dict[str, str] | None = None,
        smtputf8: bool = True,
        pipelining: bool = True,
        keep: bool = True,
        latency: float = 0.0,
    ) -> None:
        super().__init__(port=port)
        self.tls, self.context = tls, context
        self.users = users or {}
        self.smtputf8, self.keep, self.latency = smtputf8, keep, latency
        self.pipelining = pipelining
        self.session_limit: tuple[int, str, str] | None = None
        self.takes_refused = False
        self.rules: list[Rule] = []
        self.mails: list[Received] = []
        self.conversations: list[Conversation] = []
        self.connections = 0
        self.lines_dripped = 0
        self.message_ids: Counter[bytes] = Counter()

    def answer(
        self, stage: str, reply: str, *, recipient: str | None = None, times: int | None = None
    ) -> None:
        """Script the reply of a stage (connect, ehlo, auth, mail, rcpt, data, end, rset, noop)."""
        self.rules.append(Rule(stage=stage, reply=reply, recipient=recipient, times=times))

    def stats(self) -> dict[str, int]:
        taken = sum(self.message_ids.values())
        distinct = len(self.message_ids)
        return {
            "mails": taken,
            "distinct": distinct,
            "duplicates": taken - distinct,
            "connections": self.connections,
        }

    async def start(self, **options: Any) -> None:
        if self.tls == "implicit":
            options["ssl"] = self.context
        await super().start(**options)

    def _scripted(self, stage: str, talk: Conversation, usual: str) -> str:
        if self.session_limit is not None:
            most, limited, refusal = self.session_limit
            if stage == limited and talk.taken >= most:
                talk.refused_over_limit = True
                return refusal
        for rule in self.rules:
            fits = rule.stage == stage and rule.recipient in {None, talk.recipient}
            if fits and rule.times != 0:
                if rule.times is not None:
                    rule.times -= 1
                return rule.reply
        return usual

    async def _say(self, stage: str, talk: Conversation, usual: str) -> str:
        return await self._give(talk, self._scripted(stage, talk, usual))

    async def _give(self, talk: Conversation, reply: str) -> str:
        if reply == HANG:
            await asyncio.sleep(3600)
        if reply == DROP:
            raise EOFError
        if reply.startswith(DRIP):
            await self._drip(talk, reply.removeprefix(DRIP))
        talk.writer.write(reply.encode("utf-8", "surrogateescape") + b"\r\n")
        await talk.writer.drain()
        if reply.startswith("421"):
            raise EOFError
        return reply

    async def _drip(self, talk: Conversation, code: str) -> None:
        for _ in range(DRIP_LINES):
            talk.writer.write(f"{code}-a moment\r\n".encode())
            await talk.writer.drain()
            self.lines_dripped += 1
            await asyncio.sleep(DRIP_SECONDS)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        talk = Conversation(
            number=self.connections, reader=reader, writer=writer, tls=self.tls == "implicit"
        )
        self.conversations.append(talk)
        await self._say("connect", talk, "220 fake.example ESMTP")
        while line := await reader.readline():
            verb, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
            talk.commands.append(verb.upper())
            if reader._buffer:  # type: ignore[attr-defined]
                talk.followed.append(verb.upper())
            handler = getattr(self, f"_on_{verb.lower()}", None)
            if handler is None:
                await self._say("unknown", talk, "500 5.5.2 What?")
            else:
                await handler(talk, rest)

    async def _on_ehlo(self, talk: Conversation, rest: str) -> None:
        talk.greeted_as = rest
        offers = ["fake.example", "8BITMIME", "ENHANCEDSTATUSCODES"]
        if self.smtputf8:
            offers.append("SMTPUTF8")
        if self.pipelining:
            offers.append("PIPELINING")
        if self.users:
            offers.append("AUTH PLAIN")
        if self.tls == "starttls" and not talk.tls:
            offers.append("STARTTLS")
        lines = [f"250-{offer}" for offer in offers[:-1]] + [f"250 {offers[-1]}"]
        await self._say("ehlo", talk, "\r\n".join(lines))

    async def _on_starttls(self, talk: Conversation, _: str) -> None:
        assert self.context is not None
        reply = await self._say("starttls", talk, "220 2.0.0 Go ahead")
        if reply.startswith("220"):
            await talk.writer.start_tls(self.context)
            talk.tls = True

    async def _on_auth(self, talk: Conversation, rest: str) -> None:
        _, _, initial = rest.partition(" ")
        _, user, password = base64.b64decode(initial).decode().split("\0")
        good = self.users.get(user) == password
        reply = await self._say(
            "auth", talk, "235 2.7.0 Welcome" if good else "535 5.7.8 Wrong credentials"
        )
        talk.user = user if reply.startswith("235") else None

    async def _on_mail(self, talk: Conversation, rest: str) -> None:
        talk.sender, _, talk.options = rest.removeprefix("FROM:").partition(" ")
        talk.recipient, talk.recipient_taken = "", False
        if self.users and talk.user is None:
            await self._say("mail", talk, "530 5.7.0 Authentication required")
            return
        reply = await self._say("mail", talk, "250 2.1.0 Sender ok")
        if not reply.startswith("25"):
            talk.sender = ""

    async def _on_rcpt(self, talk: Conversation, rest: str) -> None:
        talk.recipient = rest[len("TO:") :].partition(" ")[0].strip("<>")
        usual = "250 2.1.5 Recipient ok" if talk.sender else "503 5.5.1 No sender"
        reply = await self._say("rcpt", talk, usual)
        talk.recipient_taken = reply.startswith("25")

    async def _on_data(self, talk: Conversation, _: str) -> None:
        usual = "354 Go on" if talk.recipient_taken else "503 5.5.1 No valid recipients"
        reply = await self._say("data", talk, usual)
        if not reply.startswith("354"):
            return
        content = await talk.reader.readuntil(b"\r\n.\r\n")
        if self.latency:
            await asyncio.sleep(self.latency)
        number = sum(self.message_ids.values()) + 1
        usual = f"250 2.0.0 Ok: queued as F{number}"
        scripted = self._scripted("end", talk, usual)
        # A dropped, missing or endless reply still accepts the mail: that is the unknown outcome.
        taken = scripted == usual or scripted in {DROP, HANG} or scripted.startswith(("2", DRIP))
        if taken or self.takes_refused:
            talk.taken += 1
            self._take(talk, content[:-3].replace(b"\r\n..", b"\r\n."))
        await self._give(talk, scripted)

    def _take(self, talk: Conversation, content: bytes) -> None:
        found = MESSAGE_ID.search(content)
        self.message_ids[found[1] if found else b""] += 1
        if self.keep:
            self.mails.append(
                Received(
                    connection=talk.number,
                    sender=talk.sender.strip("<>"),
                    recipient=talk.recipient,
                    content=content,
                    options=talk.options,
                    tls=talk.tls,
                    user=talk.user,
                )
            )

    async def _on_rset(self, talk: Conversation, _: str) -> None:
        await self._say("rset", talk, "250 2.0.0 Reset")

    async def _on_noop(self, talk: Conversation, _: str) -> None:
        await self._say("noop", talk, "250 2.0.0 Yes")

    async def _on_quit(self, talk: Conversation, _: str) -> None:
        await self._say("quit", talk, "221 2.0.0 Bye")
        raise EOFError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=2525)
    parser.add_argument("--stats-port", type=int, help="answers GET /stats on this port")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds after the final dot")
    options = parser.parse_args()
    with SmtpServer(port=options.port, keep=False, latency=options.latency) as server:
        run_as_program(
            f"SMTP on {server.host}:{server.port}", server.stats, stats_port=options.stats_port
        )


if __name__ == "__main__":
    main()
