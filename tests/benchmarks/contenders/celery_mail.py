"""One Celery task per mail that calls Django's ``send_mail``, as tutorials teach it.

``celery -A tests.benchmarks.contenders.celery_mail worker --concurrency 2`` runs the worker,
``python -m tests.benchmarks.contenders.celery_mail --mails 2000`` queues the mails; both use
Celery's default settings.
"""

import argparse
import os
from uuid import uuid4

from celery import Celery
from django.conf import settings
from django.core.mail import send_mail  # noqa: TID251 - this is what contenders use.

from tests.benchmarks import content

if not settings.configured:
    settings.configure(
        SECRET_KEY="celery-mail",
        USE_TZ=True,
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=int(os.environ["CONTENDER_SMTP_PORT"]),
    )

app = Celery("celery_mail", broker=os.environ["CONTENDER_BROKER_URL"])
app.conf.task_default_queue = "celery-mail"


@app.task(name="celery_mail.send")
def send(recipient: str, name: str, ref: str) -> None:
    """Send one mail over a new connection."""
    send_mail(
        subject=content.filled(content.SUBJECT, name=name, ref=ref),
        message=content.filled(content.TEXT, name=name, ref=ref),
        html_message=content.filled(content.HTML, name=name, ref=ref),
        from_email=f"{content.SENDER_NAME} <{content.SENDER}>",
        recipient_list=[recipient],
    )


def main() -> None:
    """Queue the mails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, required=True)
    given = parser.parse_args()
    for number in range(given.mails):
        send.delay(f"person{number % 1000}@example.com", "Ada", f"celery-{uuid4()}")


if __name__ == "__main__":
    main()
