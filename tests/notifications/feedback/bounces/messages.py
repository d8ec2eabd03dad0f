"""Bounces and complaints in the forms in which mail servers document and write them."""

from dataclasses import dataclass
from email.utils import formatdate

ALICE = "alice@example.com"


def now() -> str:
    """Return the current time as a mail says it.

    A report is compared with the time of the mail, and the tests before may take long.
    """
    return formatdate(usegmt=True)


@dataclass(frozen=True, kw_only=True)
class Original:
    """The mail that comes back."""

    message_id: str
    correlation_id: str = "c-1"
    recipient: str = ALICE

    @property
    def headers(self) -> str:
        return (
            "Received: from web.example.net by mx.example.com; Sun, 22 Nov 2026 12:00:00 +0000\n"
            "From: Notifications <notifications@example.com>\n"
            f"To: Alice <{self.recipient}>\n"
            "Subject: Welcome\n"
            f"Message-ID: {self.message_id}\n"
            f"X-Correlation-ID: {self.correlation_id}\n"
            "Auto-Submitted: auto-generated\n"
        )


def report(
    *parts: tuple[str, str],
    sender: str = "MAILER-DAEMON@mx.example.com (Mail Delivery System)",
    kind: str = "delivery-status",
    more: str = "",
) -> bytes:
    """Make a multipart/report of parts, each with its media type."""
    written = "".join(f"--=_b\nContent-Type: {media}\n\n{text}\n" for media, text in parts)
    return (
        "Return-Path: <>\n"
        f"From: {sender}\n"
        "To: bounces@example.net\n"
        f"Date: {now()}\n"
        "Message-ID: <20261122120003.7F0AB@mx.example.com>\n"
        f"{more}"
        "MIME-Version: 1.0\n"
        f'Content-Type: multipart/report; report-type={kind};\n\tboundary="=_b"\n'
        f"\n{written}--=_b--\n"
    ).encode()


def status(*lines: str, server: str = "Reporting-MTA: dns; mx.example.com") -> tuple[str, str]:
    text = server + "\n\n" + "\n".join(lines) + "\n"
    return "message/delivery-status", text


def postfix(original: Original) -> bytes:
    return report(
        ("text/plain; charset=us-ascii", f"I'm sorry to inform you.\n\n<{ALICE}>: host mx"),
        status(
            f"Final-Recipient: rfc822; {ALICE}",
            f"Original-Recipient: rfc822;{ALICE}",
            "Action: failed",
            "Status: 5.1.1",
            "Remote-MTA: dns; mx.example.org",
            f"Diagnostic-Code: smtp; 550 5.1.1 <{ALICE}>: Recipient address rejected: User\n"
            "    unknown in virtual mailbox table",
            server="Reporting-MTA: dns; mx.example.com\nX-Postfix-Queue-ID: 7F0AB\n"
            "X-Postfix-Sender: rfc822; notifications@example.com\n"
            f"Arrival-Date: {now()}",
        ),
        ("text/rfc822-headers", original.headers),
        more="Auto-Submitted: auto-replied\n",
    )


def exim(original: Original) -> bytes:
    return report(
        (
            "text/plain; charset=us-ascii",
            (
                f"The following address(es) failed:\n\n  {ALICE}\n"
                "    host mx.example.org [192.0.2.7]\n"
                f"    SMTP error from remote mail server after RCPT TO:<{ALICE}>:\n"
                "    550 5.1.1 User unknown"
            ),
        ),
        status(
            "Action: failed",
            f"Final-Recipient: rfc822;{ALICE}",
            "Status: 5.0.0",
            "Remote-MTA: dns; mx.example.org",
            "Diagnostic-Code: smtp; 550 5.1.1 User unknown",
        ),
        ("message/rfc822", original.headers + "\nHello\n"),
        more=f"X-Failed-Recipients: {ALICE}\nAuto-Submitted: auto-replied\n",
    )


def old_exim(original: Original) -> bytes:
    """Exim before 4.85: words only."""
    return (
        "Return-path: <>\n"
        "From: Mail Delivery System <Mailer-Daemon@mx.example.com>\n"
        f"X-Failed-Recipients: {ALICE}\n"
        "Auto-Submitted: auto-replied\n"
        "Subject: Mail delivery failed: returning message to sender\n"
        f"Date: {now()}\n"
        "\n"
        "This message was created automatically by mail delivery software.\n\n"
        f"  {ALICE}\n"
        "    SMTP error from remote mail server after RCPT TO:\n"
        "    host mx.example.org [192.0.2.7]: 550 5.1.1 User unknown\n\n"
        "------ This is a copy of the message, including all the headers. ------\n\n"
        f"{original.headers}\nHello\n"
    ).encode()


def exchange(original: Original) -> bytes:
    return report(
        (
            "text/html; charset=utf-8",
            "<p>Ihre Nachricht an alice@example.com konnte nicht zugestellt werden.</p>",
        ),
        status(
            f"Final-Recipient: rfc822;{ALICE}",
            "Action: failed",
            "Status: 5.1.10",
            "Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found",
            server="Reporting-MTA: dns;mail.example.com\nReceived-From-MTA: dns;web.example.net\n"
            f"Arrival-Date: {now()}",
        ),
        ("message/rfc822", original.headers + "\nHello\n"),
        sender='"postmaster@example.com" <postmaster@example.com>',
        more=f"In-Reply-To: {original.message_id}\nReferences: {original.message_id}\n"
        "Content-Language: de-DE\nX-Auto-Response-Suppress: DR, OOF, AutoReply\n",
    )


def gmail(original: Original) -> bytes:
    return report(
        (
            "text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable",
            (
                "** L=E2=80=99adresse est introuvable **\n\n"
                "Votre message n=E2=80=99a pas =C3=A9t=C3=A9 remis."
            ),
        ),
        status(
            f"Final-Recipient: rfc822; {ALICE}",
            "Action: failed",
            "Status: 5.1.1",
            "Remote-MTA: dns; gmail-smtp-in.l.example.com",
            "Diagnostic-Code: smtp; 550-5.1.1 The email account that you tried to reach does not\n"
            " exist. Please try\n 550 5.1.1 double-checking the recipient's email address - gsmtp",
            f"Last-Attempt-Date: {now()}",
            server="Reporting-MTA: dns; googlemail.example.com\n"
            f"Received-From-MTA: dns; notifications@example.com\nArrival-Date: {now()}",
        ),
        ("message/rfc822", original.headers + "\nHello\n"),
        sender="Mail Delivery Subsystem <mailer-daemon@googlemail.example.com>",
        more=f"X-Failed-Recipients: {ALICE}\nAuto-Submitted: auto-replied\n"
        f"References: {original.message_id}\nIn-Reply-To: {original.message_id}\n",
    )


def yahoo(original: Original) -> bytes:
    return report(
        (
            "text/plain",
            f"Sorry, we were unable to deliver it.\n\n<{ALICE}>:\n554: delivery",
        ),
        status(
            f"Final-Recipient: rfc822; {ALICE}",
            "Action: failed",
            "Status: 5.0.0",
            "Diagnostic-Code: smtp; 552 1 Requested mail action aborted, mailbox not found",
            "Remote-MTA: dns; mta.example.org",
        ),
        ("message/rfc822", original.headers + "\nHello\n"),
        sender="MAILER-DAEMON@yahoo.example.com",
    )


def sendmail(original: Original) -> bytes:
    return report(
        (
            "text/plain",
            (
                "   ----- The following addresses had permanent fatal errors -----\n"
                f"<{ALICE}>\n    (reason: 550 5.1.1 <{ALICE}>... User unknown)\n"
            ),
        ),
        status(
            f"Final-Recipient: RFC822; {ALICE}",
            "Action: failed",
            "Status: 5.1.1",
            "Remote-MTA: DNS; mx.example.org",
            f"Diagnostic-Code: SMTP; 550 5.1.1 <{ALICE}>... User unknown",
            server="Reporting-MTA: dns; mx.example.com\nReceived-From-MTA: DNS; localhost\n"
            f"Arrival-Date: {now()}",
        ),
        ("text/rfc822-headers", original.headers),
        sender="Mail Delivery Subsystem <MAILER-DAEMON>",
        more="Auto-Submitted: auto-generated (failure)\n",
    )


def qmail(original: Original) -> bytes:
    return (
        "Return-Path: <>\n"
        "From: MAILER-DAEMON@mx.example.com\n"
        "Subject: failure notice\n"
        f"Date: {now()}\n"
        "\n"
        "Hi. This is the qmail-send program at mx.example.com.\n"
        "I'm afraid I wasn't able to deliver your message to the following addresses.\n\n"
        f"<{ALICE}>:\n"
        "192.0.2.7 does not like recipient.\n"
        "Remote host said: 550 5.1.1 User unknown\n"
        "Giving up on 192.0.2.7.\n\n"
        "--- Below this line is a copy of the message.\n\n"
        f"{original.headers}\nHello\n"
    ).encode()


def qmail_local(original: Original) -> bytes:
    return (
        b"From: MAILER-DAEMON@mx.example.com\nSubject: failure notice\n\n"
        b"<alice@example.com>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n"
        b"--- Below this line is a copy of the message.\n\n" + original.headers.encode()
    )


def japanese(original: Original) -> bytes:
    """Localised words in ISO-2022-JP, and a report for programs in base64."""
    words = "\u30e1\u30fc\u30eb\u3092\u914d\u4fe1\u3067\u304d\u307e\u305b\u3093\u3067\u3057\u305f"
    return (
        report(
            ("text/plain; charset=iso-2022-jp", "WORDS"),
            (
                "message/delivery-status\nContent-Transfer-Encoding: base64",
                (
                    "UmVwb3J0aW5nLU1UQTogZG5zOyBteC5leGFtcGxlLmNvbQoKRmluYWwtUmVjaXBpZW50OiBy\n"
                    "ZmM4MjI7IGFsaWNlQGV4YW1wbGUuY29tCkFjdGlvbjogZmFpbGVkClN0YXR1czogNS4xLjEK"
                ),
            ),
            ("message/rfc822", original.headers + "\nHello\n"),
        )
    ).replace(b"WORDS", words.encode("iso-2022-jp"))


def in_a_list(original: Original) -> bytes:
    """A report inside another message, as a gateway that adds a notice writes it."""
    inner = postfix(original).decode().partition("MIME-Version: 1.0\n")[2]
    return (
        "From: MAILER-DAEMON@mx.example.com\nMIME-Version: 1.0\n"
        "Content-Type: multipart/mixed; boundary=outer\n\n"
        f"--outer\n{inner}\n--outer\nContent-Type: text/plain\n\nScanned.\n--outer--\n"
    ).encode()


BOUNCES = {
    "postfix": postfix,
    "exim": exim,
    "old exim": old_exim,
    "exchange, in German": exchange,
    "gmail, in French": gmail,
    "sendmail": sendmail,
    "qmail": qmail,
    "qmail, local": qmail_local,
    "in Japanese": japanese,
    "inside another message": in_a_list,
}


def with_status(original: Original, code: str, words: str = "", action: str = "failed") -> bytes:
    lines = [f"Final-Recipient: rfc822; {ALICE}", f"Action: {action}", f"Status: {code}"]
    if words:
        lines.append(f"Diagnostic-Code: smtp; {words}")
    return report(
        ("text/plain", "Words for people."),
        status(*lines),
        ("text/rfc822-headers", original.headers),
    )


def without_original(*more: str, recipient: str = ALICE, arrived: str | None = None) -> bytes:
    return report(
        ("text/plain", "The message itself is not attached."),
        status(
            f"Final-Recipient: rfc822; {recipient}",
            "Action: failed",
            "Status: 5.1.1",
            *more,
            server=f"Reporting-MTA: dns; mx.example.com\nArrival-Date: {arrived or now()}",
        ),
    )


def complaint(original: Original, *fields: str, kind: str = "abuse", headers: str = "") -> bytes:
    return report(
        ("text/plain", "This is an email abuse report."),
        (
            "message/feedback-report",
            "\n".join((f"Feedback-Type: {kind}", "User-Agent: Loop/1.0", "Version: 1", *fields)),
        ),
        ("message/rfc822", (headers or original.headers) + "\nHello\n"),
        sender="<feedback@provider.example>",
        kind="feedback-report",
    )
