"""Processes that build the same mails and send them on persistent connections, and nothing else.

``python -m tests.benchmarks.contenders.raw_mail --port 2525 --mails 20000 --builder standard``.
"""

import argparse
import os
import smtplib
from collections.abc import Callable
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import formataddr, formatdate
from multiprocessing import get_context
from threading import Thread
from uuid import UUID, uuid4

from tests.benchmarks import content

CRLF = compat32.clone(linesep="\r\n")
Build = Callable[[UUID, str], bytes]


def build_with_the_standard_library(pk: UUID, recipient: str) -> bytes:
    """Build with the library's older classes; ``EmailMessage`` takes three times as long."""
    ref = f"raw-{pk}"
    mail = MIMEMultipart("alternative")
    mail["From"] = formataddr((content.SENDER_NAME, content.SENDER))
    mail["To"] = formataddr(("Ada", recipient))
    mail["Subject"] = content.filled(content.SUBJECT, name="Ada", ref=ref)
    mail["Date"] = formatdate()
    mail["Message-ID"] = f"<{pk}@bench.example>"
    mail["X-Correlation-ID"] = pk.hex
    mail["List-Unsubscribe"] = content.UNSUBSCRIBE
    mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail.attach(MIMEText(content.filled(content.TEXT, name="Ada", ref=ref), "plain", "utf-8"))
    mail.attach(MIMEText(content.filled(content.HTML, name="Ada", ref=ref), "html", "utf-8"))
    return mail.as_bytes(policy=CRLF)


def our_builder() -> Build:
    """Return the MIME builder of our own provider, which takes a composed mail."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "notifications_project.settings")
    import django  # noqa: PLC0415 - only this builder needs our settings.

    django.setup()
    from apps.notifications.providers.base import Mail  # noqa: PLC0415
    from apps.notifications.providers.smtp import mime  # noqa: PLC0415 - as above.

    def build(pk: UUID, recipient: str) -> bytes:
        ref = f"raw-{pk}"
        return mime.build(
            Mail(
                notification_id=pk,
                correlation_id=pk.hex,
                message_id=f"<{pk}@bench.example>",
                sender=formataddr((content.SENDER_NAME, content.SENDER)),
                recipient=recipient,
                recipient_name="Ada",
                subject=content.filled(content.SUBJECT, name="Ada", ref=ref),
                text=content.filled(content.TEXT, name="Ada", ref=ref),
                html=content.filled(content.HTML, name="Ada", ref=ref),
                headers={
                    "List-Unsubscribe": content.UNSUBSCRIBE,
                    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
                },
            )
        )

    return build


def send(port: int, mails: int, connections: int, builder: str) -> None:
    """Send ``mails`` mails over ``connections`` connections of this process."""
    build = our_builder() if builder == "ours" else build_with_the_standard_library

    def over_one(count: int) -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as line:
            for _ in range(count):
                pk = uuid4()
                recipient = f"person{pk.int % 1000}@example.com"
                line.sendmail(content.SENDER, recipient, build(pk, recipient))

    shares = [
        mails // connections + (number < mails % connections) for number in range(connections)
    ]
    threads = [Thread(target=over_one, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    """Divide the mails among the processes and wait for them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--mails", type=int, required=True)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--connections", type=int, default=1, help="for each process")
    parser.add_argument("--builder", choices=("standard", "ours"), default="standard")
    given = parser.parse_args()
    own = given.mails // given.processes
    work = (given.port, own, given.connections, given.builder)
    context = get_context("spawn")
    processes = [context.Process(target=send, args=work) for _ in range(given.processes)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


if __name__ == "__main__":
    main()
