"""Requests that go on during a fault, and the account of everything accepted at the end."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from tests.chaos.load import CHANNELS, Load, Recipients
from tests.containers.project import Project
from tests.journeys.http import Api, until

# Low enough for two cores that also run fifteen containers.
RATE_PER_SECOND = 10.0
PEOPLE = 6
GIVE_UP_SECONDS = 60
ENDED_SECONDS = 180
# The catchers keep so many.
KEPT = 5000


def recipients(api: Api) -> Recipients:
    """Create the users and templates of a load; each message carries its reference."""
    users = []
    for number in range(PEOPLE):
        user = api.user(f"person{number}")
        api.made(
            f"/api/v1/users/{user}/devices/",
            {"push_token": f"token-{user}", "platform": "android"},
        )
        users.append(user)
    mail, push = api.mail_template(subject="{{ ref }}", body="{{ ref }}"), f"push-{users[0][:8]}"
    body = {"title": "{{ ref }}", "body": "News", "name": "Push", "notification_type": "push"}
    api.made("/api/v1/templates/", {"code": push, **body})
    return Recipients(
        users={"email": users, "push": users}, templates={"email": mail, "push": push}
    )


@contextmanager
def under_load(project: Project, api: Api, name: str) -> Iterator[Load]:
    """Send requests for as long as the block lasts, and repeat those that are not answered."""
    with Load(
        base=project.url,
        key=api.key,
        name=name,
        rate=RATE_PER_SECOND,
        recipients=recipients(api),
    ) as load:
        yield load
        load.end(within=GIVE_UP_SECONDS)


def account(project: Project, api: Api, load: Load, *, pushed: bool = True) -> str:
    """Wait until everything accepted has ended, and compare it with what the catchers took.

    Args:
        pushed: Whether push messages go to the push catcher; otherwise the API alone is asked.

    Returns:
        What was seen, in words.

    Raises:
        AssertionError: Something accepted was not delivered.
    """
    accepted = load.accepted()
    assert accepted, load.refusals[:3]
    waiting = dict(accepted)

    def all_ended() -> bool:
        for ref, pk in list(waiting.items()):
            status = api.status(pk)
            if status["status"] not in {"sent", "delivered"}:
                assert status["status"] not in {"failed", "skipped", "expired"}, (ref, status)
                return False
            del waiting[ref]
        return True

    until(all_ended, within=ENDED_SECONDS, what="everything accepted to be delivered")
    taken = Counter(str(mail["Subject"]) for mail in project.mails(KEPT))
    if pushed:
        taken.update(str(push["notification"]["title"]) for push in project.pushes(KEPT))
    else:
        taken.update(ref for ref in accepted if _channel(ref) == "push")
    lost = [ref for ref in accepted if not taken[ref]]
    assert not lost, f"{len(lost)} of {len(accepted)} never arrived, such as {lost[:3]}"
    twice = sum(taken[ref] - 1 for ref in accepted)
    slowest = max(one.seconds for one in load.requests if one.notification_id)
    return (
        f"{len(accepted)} accepted, all delivered; {twice} arrived twice;"
        f" {load.errors} calls repeated; the longest wait for a 202 was {slowest:.0f} s"
    )


def _channel(ref: str) -> str:
    return CHANNELS[int(ref.rpartition("-")[2]) % len(CHANNELS)]
