"""Everything that a fault can be done to: servers, stack, providers, and who is written to."""

import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.chaos.books import Books
from tests.chaos.load import Recipients
from tests.chaos.servers.postgresql import Postgresql
from tests.chaos.servers.rabbitmq import Rabbitmq
from tests.chaos.servers.redis import RedisServer
from tests.chaos.stack import Stack
from tests.chaos.stand_ins import FcmStandIn, SmtpStandIn, settings_of
from tests.journeys.http import Api, until

PEOPLE = 24
PLATFORMS = ("android", "ios", "web")
SETTLE_SECONDS = 90
# An address whose mailbox is gone, once a fault says so.
GONE = "gone@example.com"


class Scene:
    """Starts it all, and ends it all however the block is left.

    Args:
        keep: Leave the folder with the logs where it is.

    Attributes:
        afterwards: What is undone only when everything that was accepted has ended.
    """

    def __init__(self, *, keep: bool = False) -> None:
        self._keep = keep
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
        # A second Ctrl-C must not leave half of it running.
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
        # PostgreSQL runs as another user, and has to reach its own folder in this one.
        self.folder.chmod(0o711)
        self.postgresql = enter(Postgresql(self.folder))
        self.redis = enter(RedisServer(self.folder))
        self.rabbitmq = enter(Rabbitmq(self.folder))
        self.smtp, self.fcm = enter(SmtpStandIn()), enter(FcmStandIn())
        self.books = Books(url=self.postgresql.url)
        settings = {
            "DATABASE_URL": self.postgresql.url,
            "BROKER_URL": self.rabbitmq.url,
            "REDIS_URL": self.redis.url,
            **settings_of(self.smtp, self.fcm, folder=self.folder),
        }
        self.stack = enter(Stack(self.folder, settings))
        self.api: Api = self.stack.api()
        self.recipients = self._recipients()
        self.gone_user = self._user("gone", email=GONE)

    def settle(self) -> None:
        """Wait until every dependency, every worker and every provider is in order."""
        until(self._in_order, within=SETTLE_SECONDS, what="the stack to be in order")

    def _in_order(self) -> bool:
        if not self.stack.ready():
            return False
        answer = self.api.call("GET", "/api/v1/services/")
        providers = answer.body["providers"] if answer.status == 200 else []
        states = [breaker["state"] for one in providers for breaker in one["breakers"]]
        return bool(states) and set(states) == {"closed"}

    def _recipients(self) -> Recipients:
        users = [self._user(f"person{number}") for number in range(PEOPLE)]
        for number, user in enumerate(users):
            device = {"push_token": f"token-{number}", "platform": PLATFORMS[number % 3]}
            self.api.made(f"/api/v1/users/{user}/devices/", device)
        # What is sent says what it is about, so that a copy is known whatever id it carries.
        mail = {"notification_type": "email", "subject": "{{ ref }}", "body": "About {{ ref }}."}
        push = {"notification_type": "push", "title": "{{ ref }}", "body": "News"}
        for code, template in (("chaos-mail", mail), ("chaos-push", push)):
            self.api.made("/api/v1/templates/", {"code": code, "name": code, **template})
        return Recipients(
            users={"email": list(users), "push": list(users)},
            templates={"email": "chaos-mail", "push": "chaos-push"},
        )

    def _user(self, name: str, *, email: str = "") -> str:
        body = {"name": name, "email": email or f"{name}@example.com"}
        return str(self.api.made("/api/v1/users/", body)["id"])
