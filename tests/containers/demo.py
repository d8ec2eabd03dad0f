"""The key and the user that ``docker compose logs setup`` prints."""

import re

from tests.containers.project import Project
from tests.journeys.http import Api

KEY = re.compile(r"Authorization: Api-Key (\S+?)'")
USER = re.compile(r"Demo user\s+(\S+)")


def printed_call(project: Project) -> str:
    """Return the printed ``curl``, on one line."""
    printed = project.logs("setup")
    start = printed.find("curl -sS")
    assert start >= 0, f"no call was printed:\n{printed}"
    return printed[start : printed.index("\n\n", start)].replace("\\\n", " ")


def demo_api(project: Project) -> tuple[Api, str]:
    """Return the API with the demo's key, and the id of the demo's user."""
    printed = project.logs("setup")
    key, user = KEY.search(printed), USER.search(printed)
    assert key, f"no key was printed:\n{printed}"
    assert user, printed
    return Api(base=project.url(), key=key[1]), user[1]
