"""The users that receive messages, and the templates; created once through the API."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.benchmarks import content
from tests.journeys.http import Api

# So many that the caches with a TTL of a few seconds do not hold all of them, as in production.
PEOPLE = 1000
CALLERS = 8


@dataclass(frozen=True, kw_only=True)
class Audience:
    """The recipients, and the API key of the client that sends to them."""

    key: str
    user_ids: list[str]

    def user(self, number: int) -> str:
        """Select a user by number, modulo the number of users."""
        return self.user_ids[number % len(self.user_ids)]


def gather(api: Api, *, people: int) -> Audience:
    """Create users with one address and one device each, and the two templates."""
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
