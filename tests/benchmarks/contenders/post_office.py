"""django-post_office: mails queued in PostgreSQL, sent by ``send_queued_mail``.

It uses the default settings except for the batch size, which is 100 by default: each batch starts
its processes anew.

From .venv-bench: ``python -m tests.benchmarks.contenders.post_office migrate``, ``… queue --mails
20000``, ``… send --processes 2``, with ``CONTENDER_DATABASE_URL`` and ``CONTENDER_SMTP_PORT``.
"""

import argparse
import os
from uuid import uuid4

import dj_database_url
import django
from django.conf import settings
from django.core.management import call_command

from tests.benchmarks import content

CHUNK = 1000
BATCH_SIZE = 5000

if not settings.configured:
    settings.configure(
        SECRET_KEY="post-office",
        USE_TZ=True,
        INSTALLED_APPS=["post_office"],
        DATABASES={
            "default": {
                **dj_database_url.parse(os.environ["CONTENDER_DATABASE_URL"]),
                "CONN_MAX_AGE": None,
            }
        },
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        TEMPLATES=[
            {"BACKEND": "django.template.backends.django.DjangoTemplates"},
            {"BACKEND": "post_office.template.backends.post_office.PostOfficeTemplates"},
        ],
        EMAIL_BACKEND="post_office.EmailBackend",
        POST_OFFICE={"BATCH_SIZE": BATCH_SIZE},
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=int(os.environ["CONTENDER_SMTP_PORT"]),
    )


def queue(mails: int) -> None:
    """Queue mails that are already rendered, which is the default of this package."""
    from post_office import mail  # noqa: PLC0415 - its models need Django to be set up.

    for start in range(0, mails, CHUNK):
        batch = []
        for _ in range(min(CHUNK, mails - start)):
            ref = f"office-{uuid4()}"
            batch.append(
                {
                    "sender": f"{content.SENDER_NAME} <{content.SENDER}>",
                    "recipients": ["ada@example.com"],
                    "subject": content.filled(content.SUBJECT, name="Ada", ref=ref),
                    "message": content.filled(content.TEXT, name="Ada", ref=ref),
                    "html_message": content.filled(content.HTML, name="Ada", ref=ref),
                }
            )
        mail.send_many(batch)


def main() -> None:
    """Run the action that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=("migrate", "queue", "send"))
    parser.add_argument("--mails", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args()
    django.setup()
    match given.action:
        case "migrate":
            call_command("migrate", verbosity=0)
        case "queue":
            queue(given.mails)
        case "send":
            call_command("send_queued_mail", processes=given.processes, log_level=2)


if __name__ == "__main__":
    main()
