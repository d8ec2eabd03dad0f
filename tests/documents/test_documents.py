"""What the documents tell a reader to type works, and prints what they show.

README and quickstart are run here, backups and systemd in ``tests/journeys``, and Compose by
``make containers``. Every other block is in ``NOT_RUN`` or its page in ``PAGES_NOT_RUN``, with the
reason.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.documents.blocks import ROOT, Block, blocks_of, documents
from tests.documents.transcript import Transcript, missing_of
from tests.journeys.checkout import Checkout
from tests.journeys.processes import BIN, Process

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(300)]

RUN = ("README.md", "docs/quickstart.md")
RUN_ELSEWHERE = ("docs/backup.md", "docs/deployment/systemd.md")
# The test of systemd runs it as well.
FIRST_MAIL = (
    "docs/deployment.md",
    "export API=https://notify.example.com/api/v1 KEY=nk_live_...",
)
NEEDS_SERVERS = "tests/journeys run the same processes on real servers"
NEEDS_ENGINE = "make containers takes the same steps with a container engine"
TAKES_LONG = "takes many minutes; CI runs it, or its word has tests of its own"
NEEDS_ACCOUNT = "needs an account of a provider"
EXAMPLE = "shows the form of a command; tests of the command run it with real ids"
# Pages of which no test runs any block, and why.
PAGES_NOT_RUN: Mapping[str, str] = {
    "docs/deployment/aws.md": NEEDS_ACCOUNT,
    "docs/deployment/compose.md": NEEDS_ENGINE,
    "docs/deployment/digitalocean.md": NEEDS_ACCOUNT,
    "docs/deployment/google_cloud.md": NEEDS_ACCOUNT,
    "docs/deployment/railway.md": NEEDS_ACCOUNT,
    "docs/deployment/kubernetes.md": "needs a cluster; the manifests are rendered and checked",
}
# Blocks that no test runs: document, first line of the first command, and why.
NOT_RUN: Mapping[tuple[str, str], str] = {
    (
        "README.md",
        (
            "make stack                       # PostgreSQL, RabbitMQ, Redis on loopback; "
            "everything as processes"
        ),
    ): NEEDS_SERVERS,
    (
        "docs/webhooks.md",
        (
            'curl -sS "$URL/api/v1/webhooks/" -H "Authorization: Api-Key $KEY" '
            "-H 'Content-Type: application/json' -d '{"
        ),
    ): EXAMPLE,
    (
        "README.md",
        (
            "make test                 # without servers, and on the real ones where they answer; "
            "says which ran"
        ),
    ): TAKES_LONG,
    (
        "docs/quickstart.md",
        "EMAIL_PROVIDERS=smtp SMTP_HOST=smtp.example.com SMTP_USERNAME=... SMTP_PASSWORD=... \\",
    ): NEEDS_ACCOUNT,
    ("docs/quickstart.md", "make stack"): NEEDS_SERVERS,
    ("docs/installing.md", "python3 -m venv .venv"): TAKES_LONG,
    (
        "docs/deployment/systemd.md",
        (
            "sudo -u postgres pg_dump --format custom --file /var/backups/notifications.dump "
            "notifications"
        ),
    ): "tests/journeys/test_backup.py runs pg_dump and pg_restore",
    ("docs/accounts.md", ".venv/bin/python manage.py check"): EXAMPLE,
    ("CONTRIBUTING.md", "make run      # try it, on 127.0.0.1:8000"): TAKES_LONG,
    (
        "docs/adding_a_provider.md",
        ".venv/bin/python -m tests.fakes.smtp_server --port 2525 --stats-port 2526",
    ): EXAMPLE,
    (
        "docs/benchmarks.md",
        "make bench                                  # the usual rows",
    ): TAKES_LONG,
    (
        "docs/benchmarks.md",
        "make chaos                        # all of it, about 40 minutes",
    ): TAKES_LONG,
    (
        "docs/operations.md",
        (
            "curl -H \"Authorization: Api-Key $KEY\" -H 'Content-Type: application/json' "
            "$API/notifications/explain \\"
        ),
    ): EXAMPLE,
    ("docs/operations.md", 'curl -H "Authorization: Api-Key $KEY" \\'): EXAMPLE,
    (
        "docs/operations.md",
        ".venv/bin/python manage.py notify dead-letters list --reason attempts_exhausted",
    ): EXAMPLE,
    ("docs/operations.md", ".venv/bin/python manage.py notify replay NOTIFICATION_ID"): EXAMPLE,
    ("docs/scaling.md", "WEB_PROCESSES=4 EMAIL_WORKERS=4 PUSH_WORKERS=2 make stack"): NEEDS_SERVERS,
    ("docs/quickstart.md", "docker compose up --build --detach --wait"): NEEDS_ENGINE,
}


def blocks(*files: str) -> list[Block]:
    return [block for file in files for block in blocks_of(file)]


class Reader:
    """Somebody who follows a document in a copy of the project."""

    def __init__(self, folder: Path) -> None:
        self.copy = Checkout(folder)
        (self.copy.root / ".venv").symlink_to(BIN.parent)
        self._process: Process | None = None
        self._transcript: Transcript | None = None

    def follow(self, block: Block) -> None:
        for step in block.steps:
            if step.command.startswith("make run"):
                self._start(step.shown)
            else:
                assert self._transcript is not None, "the document begins with make run"
                self._transcript.run(step)

    def _start(self, shown: str) -> None:
        """Run ``make run`` as the document says, on a free port."""
        self._process = self.copy.make_run()
        port = str(self.copy.port)
        ports = {"8011": port, "8000": port}
        for here, there in ports.items():
            shown = shown.replace(here, there)
        missing = missing_of(shown, self.copy.log.read_text())
        assert missing is None, missing
        given = {
            "KEY": self.copy.api.key,
            "USER_ID": self.copy.printed(r"Demo user +(\S+)"),
            "API": f"{self.copy.api.base}/api/v1",
        }
        self._transcript = Transcript(self.copy.root, given=given, replaced=ports)

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    found = Reader(tmp_path)
    yield found
    found.close()


@pytest.mark.parametrize("file", RUN)
def test_a_reader_who_types_what_is_shown_sees_what_is_shown(file: str, reader: Reader) -> None:
    followed = [block for block in blocks(file) if block.name not in NOT_RUN]
    assert len(followed) > 2

    for block in followed:
        reader.follow(block)

    # Nothing is left behind beside what is ignored.
    made = {path.name for path in reader.copy.root.iterdir()} - {
        path.name for path in ROOT.iterdir()
    }
    assert made <= {"var"}


def test_every_block_is_run_or_says_why_not() -> None:
    every = [block.name for block in blocks(*documents()) if block.file not in PAGES_NOT_RUN]
    run = [FIRST_MAIL, *(block.name for block in blocks(*RUN, *RUN_ELSEWHERE))]

    assert [name for name in NOT_RUN if every.count(name) > 1] == []
    assert [name for name in every if name not in run and name not in NOT_RUN] == []
    assert [name for name in NOT_RUN if name not in every] == []
    assert [file for file in PAGES_NOT_RUN if not blocks(file)] == []


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ('{"id":"01a20424-...", ... "status":"sent"}', '{"id":"{id}","a":1,"status":"sent"}'),
        ("ok  database  1.0 ms  sqlite", "ok database 7.25 ms sqlite"),
        ("at 2026-11-22T16:43:36.986856Z", "at 2027-01-01T00:00:00Z"),
        ("nk_live_...", "nk_live_abc_def"),
    ],
)
def test_what_differs_in_each_run_is_no_difference(shown: str, printed: str) -> None:
    real = printed.replace("{id}", "01b20424-4a78-723b-8246-8f40f42353a7")

    assert missing_of(shown, real) is None


def test_what_is_not_printed_is_a_difference() -> None:
    assert missing_of('"status":"sent"', '"status":"failed"') == '"status":"sent"'
    assert missing_of("one ... two", "two one") == "two"
