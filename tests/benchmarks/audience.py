"""Who is written to, and by which templates; made once, by the API."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.benchmarks import content
from tests.journeys.http import Api

# Too many for each to be in the memory of seconds that look-ups have, as it is with real ones.
PEOPLE = 1000
CALLERS = 8


@dataclass(frozen=True, kw_only=True)
class Audience:
    """The users and the key of the client that sends to them."""

    key: str
    user_ids: list[str]

    def user(self, number: int) -> str:
        """Choose a user by a number."""
        return self.user_ids[number % len(self.user_ids)]


def gather(api: Api, *, people: int) -> Audience:
    """Make people with an address and a device each, and the two templates."""
    mail = {"subject": content.SUBJECT, "body": content.TEXT, "html": content.HTML}
    push = {"title": content.PUSH_TITLE, "body": content.PUSH_BODY}
    for code, channel, said in (
        (content.MAIL_TEMPLATE, "email", mail),
        (content.PUSH_TEMPLATE, "push", push),
    ):
        about = {"code": code, "name": code, "notification_type": channel}
        api.made("/api/v1/templates/", {**about, **said})

    def person(number: int) -> str:
        body = {
            "name": f"Person {number}",
            "email": f"person{number}@example.com",
            "push_token": f"token-{number}",
        }
        return str(api.made("/api/v1/users/", body)["id"])

    with ThreadPoolExecutor(CALLERS) as pool:
        return Audience(key=api.key, user_ids=list(pool.map(person, range(people))))
