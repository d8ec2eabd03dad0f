"""Everything that a fault can affect: servers, stack, providers and recipients."""

import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self
from uuid import uuid4

from tests.chaos.copies import Harm
from tests.chaos.database_reader import DatabaseReader
from tests.chaos.load import Recipients
from tests.chaos.servers.postgresql import Postgresql
from tests.chaos.servers.rabbitmq import Rabbitmq
from tests.chaos.servers.redis import RedisServer
from tests.chaos.stack import Stack
from tests.chaos.stand_ins import FcmStandIn, SmtpStandIn, settings_of
from tests.chaos.webhooks import WebhookStandIn
from tests.chaos.worktree import worktree
from tests.fakes.sendgrid_events import EventSigner
from tests.journeys.http import Api, until
from tests.journeys.processes import ROOT

PEOPLE = 24
PLATFORMS = ("android", "ios", "web")
SETTLE_SECONDS = 90
# An address that a fault can declare nonexistent.
GONE = "gone@example.com"
# The default of half an hour would be too long to wait for.
UNKNOWN_OUTCOME_WAITS_SECONDS = "5,10"


class Environment:
    """Starts everything, and ends everything however the block is left.

    Args:
        keep: Keep the folder with the logs.
        commit: Run the stack of another commit, for comparison.

    Attributes:
        commit: The commit whose stack runs; empty for this tree.
        afterwards: Clean-up that runs only when everything accepted is final.
        harms: What a fault did to workers.
        extra_requests: Notifications that a fault itself requested: ids by reference.
        reported: The ids of mails that a provider has reported as delivered.
        webhook: What the client of the load is told by.
    """

    def __init__(self, *, keep: bool = False, commit: str = "") -> None:
        self._keep, self.commit = keep, commit
        self.harms: list[Harm] = []
        self.extra_requests: dict[str, str] = {}
        self.reported: set[str] = set()
        self.signer = EventSigner()
        self.webhook_id = ""
        self._open = ExitStack()
        self.afterwards = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # A second Ctrl-C must not leave processes running.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        self._open.close()

    def _start(self) -> None:
        enter = self._open.enter_context
        self.folder = Path(
            tempfile.mkdtemp(prefix="chaos-")
            if self._keep
            else enter(tempfile.TemporaryDirectory(prefix="chaos-"))
        )
        # PostgreSQL runs as another user and needs access to its own folder inside this one.
        self.folder.chmod(0o711)
        self.postgresql = enter(Postgresql(self.folder))
        self.redis = enter(RedisServer(self.folder))
        self.rabbitmq = enter(Rabbitmq(self.folder))
        self.smtp, self.fcm = enter(SmtpStandIn()), enter(FcmStandIn())
        self.webhook = enter(WebhookStandIn())
        self.database = DatabaseReader(url=self.postgresql.url)
        root = enter(worktree(self.commit, self.folder / "tree")) if self.commit else ROOT
        self._settings = {
            "DATABASE_URL": self.postgresql.url,
            "BROKER_URL": self.rabbitmq.url,
            "REDIS_URL": self.redis.url,
            "UNKNOWN_OUTCOME_WAITS_SECONDS": UNKNOWN_OUTCOME_WAITS_SECONDS,
            "SENDGRID_WEBHOOK_PUBLIC_KEY": self.signer.public_key,
            "WEBHOOK_ALLOW_PRIVATE": "true",
            **settings_of(self.smtp, self.fcm, folder=self.folder),
        }
        self._move_to(enter(Stack(self.folder, self._settings, root=root)))
        # An earlier release has no webhooks.
        if not self.commit:
            self.webhook_id = self.webhook.register(self.api)

    def _move_to(self, stack: Stack) -> None:
        """Use this stack from now on, with a key, users and templates of its own."""
        self.stack = stack
        self.api: Api = stack.api()
        self.recipients = self._recipients()
        self.gone_user = self.user("gone", email=GONE)

    def begin(self) -> None:
        """Reset what an earlier fault recorded."""
        self.harms, self.extra_requests, self.reported = [], {}, set()

    @contextmanager
    def elsewhere(self, root: Path) -> Iterator[None]:
        """Use a stack from another tree, with a database and a virtual host of its own."""
        database, host = f"elsewhere_{uuid4().hex[:6]}", f"elsewhere-{uuid4().hex[:6]}"
        settings = {
            **self._settings,
            "DATABASE_URL": self.postgresql.make_database(database),
            "BROKER_URL": self.rabbitmq.make_host(host),
            "REDIS_URL": self.redis.url.removesuffix("/0") + "/1",
        }
        before = self.stack, self.api, self.recipients, self.gone_user, self.database
        try:
            with Stack(self.folder, settings, root=root, name=database) as stack:
                self.database = DatabaseReader(url=settings["DATABASE_URL"])
                self._move_to(stack)
                yield
        finally:
            self.stack, self.api, self.recipients, self.gone_user, self.database = before

    def settle(self) -> None:
        """Wait until every dependency, worker and provider is in order."""
        until(self._in_order, within=SETTLE_SECONDS, what="the stack to be in order")

    def _in_order(self) -> bool:
        if not self.stack.ready():
            return False
        answer = self.api.call("GET", "/api/v1/services/")
        providers = answer.body["providers"] if answer.status == 200 else []
        states = [breaker["state"] for one in providers for breaker in one["breakers"]]
        return bool(states) and set(states) == {"closed"}

    def _recipients(self) -> Recipients:
        users = [self.user(f"person{number}") for number in range(PEOPLE)]
        for number, user in enumerate(users):
            device = {"push_token": f"token-{number}", "platform": PLATFORMS[number % 3]}
            self.api.made(f"/api/v1/users/{user}/devices/", device)
        # Each message contains its reference, so that a copy is recognised whatever id it carries.
        mail = {"notification_type": "email", "subject": "{{ ref }}", "body": "About {{ ref }}."}
        push = {"notification_type": "push", "title": "{{ ref }}", "body": "News"}
        for code, template in (("chaos-mail", mail), ("chaos-push", push)):
            self.api.made("/api/v1/templates/", {"code": code, "name": code, **template})
        return Recipients(
            users={"email": list(users), "push": list(users)},
            templates={"email": "chaos-mail", "push": "chaos-push"},
        )

    def user(self, name: str, *, email: str = "") -> str:
        """Create a user, by default with an address derived from the name, and return the id."""
        body = {"name": name, "email": email or f"{name}@example.com"}
        return str(self.api.made("/api/v1/users/", body)["id"])
