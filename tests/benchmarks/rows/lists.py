"""Every list and search of the API, the admin and the desk, each asked with different terms."""

import http.cookiejar
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from tests.benchmarks import crowd
from tests.benchmarks.bench import Bench
from tests.benchmarks.figures import Line, Reading, counted, percentiles
from tests.benchmarks.pace import Pace
from tests.benchmarks.stack import BenchStack
from tests.journeys.processes import BIN, bare_environment

DATABASE = "lists"
STORED_DEFAULT = 300_000
ASKED = 50
MOST_API, MOST_ADMIN = {"p95": 0.1}, {"p95": 0.3}
SECONDS = 60
FAILED_PUSHES = {"status": "failed", "channel": "push", "period": "week"}
API, NOTIFICATIONS, USERS = "/api/v1/", "notifications/", "users/"
STAFF, PASSWORD = "staff@bench.example", "correct horse battery staple"
KEYS = {
    "a client": ["--client", "shop", "--scope", "notifications:read", "--scope", "users:read"],
    "an operator": ["--client", "console"],
}
# A rejected request is asked no more: the line is wrong.
Ask = Callable[[str], None]
SAMPLE = """
SELECT row.id::text, request_id, correlation_id, user_id::text, email,
    coalesce(batch_id, (SELECT id FROM notifications_batch ORDER BY id LIMIT 1))::text,
    row.created_at::date::text, 'message-' || substr(request_id, 7), users_user.name
FROM notifications_notification AS row JOIN users_user ON users_user.id = user_id
WHERE request_id = ANY(%s)
"""
COLUMNS = ("id", "request", "trace", "user", "email", "batch", "day", "message", "name")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A list or a search.

    Attributes:
        name: What it is.
        path: Where, without the query, with the names of values in it.
        query: The query by the values of one stored notification.
    """

    name: str
    path: str
    query: Callable[[Mapping[str, str]], Mapping[str, str]]


def of_api() -> Iterator[Asked]:
    """Return the lists of the API."""
    path = f"{API}notifications/"
    for name, query in (
        ("all", {}),
        ("status sent", {"status": "sent"}),
        ("status failed", {"status": "failed"}),
        ("status pending, of which there is none", {"status": "pending"}),
        ("rare template", {"template_code": "rare"}),
        ("channel", {"notification_type": "push"}),
        ("user", {"user_id": "{user}"}),
        ("user and status", {"user_id": "{user}", "status": "failed"}),
        ("address", {"email": "{email}"}),
        ("request id", {"request_id": "{request}"}),
        ("correlation id", {"correlation_id": "{trace}"}),
        ("batch", {"batch_id": "{batch}"}),
        ("batch and status", {"batch_id": "{batch}", "status": "failed"}),
        ("id of the provider", {"provider_message_id": "{message}"}),
        ("before a day", {"created_before": "{day}T00:00:00Z"}),
        ("before a day, rare", {"created_before": "{day}T00:00:00Z", "template_code": "rare"}),
    ):
        yield Asked(name=f"notifications, {name}", path=path, query=filled(query))
    yield Asked(name="batches", path=f"{API}batches/", query=filled({}))


def of_operators() -> Iterator[Asked]:
    """Return the lists of operators."""
    yield Asked(name="dead letters", path=f"{API}dead-letters/", query=filled({}))
    query = {"state": "all", "reason": "attempts_exhausted"}
    yield Asked(name="dead letters, reason", path=f"{API}dead-letters/", query=filled(query))


def of_admin() -> Iterator[Asked]:
    """Return the pages of the admin."""
    terms = {name: {"q": f"{{{name}}}"} for name in ("user", "email", "external")}
    people = {
        "beginning of an address": {"q": "{email_begin}"},
        "beginning of a name": {"q": "{name_begin}"},
        "beginning of many names": {"q": "{first_name}"},
        "nothing": {"q": "no such {id}"},
    }
    pages: dict[str, dict[str, dict[str, str]]] = {
        "users/user": {
            "all": {},
            "staff": {"is_staff__exact": "1"},
            "superusers": {"is_superuser__exact": "1"},
            "not active": {"is_active__exact": "0"},
            "group": {"groups__id__exact": "1"},
            **{f"search {name}": query for name, query in {**terms, **people}.items()},
        },
        "users/suppression": {"all": {}, "search address": {"q": "{email}"}},
    }
    for model, queries in pages.items():
        for name, query in queries.items():
            yield Asked(name=f"{model}, {name}", path=f"/admin/{model}/", query=filled(query))


def of_desk() -> Iterator[Asked]:
    """Return the pages of the desk."""
    messages = "/admin/messages/"
    for name, path, query in (
        ("home", "/admin/", {}),
        ("home, 30 days", "/admin/", {"period": "30d"}),
        ("messages", messages, {}),
        ("messages, older page", messages, {"page": "before-{id}"}),
        ("messages, failed", messages, {"status": "failed"}),
        ("messages, waiting, of which there is none", messages, {"status": "pending"}),
        ("messages, rare template", messages, {"template_code": "rare"}),
        ("messages, failed pushes of a week", messages, FAILED_PUSHES),
        ("messages of a client", messages, {"client": "shop", "status": "sent"}),
        ("messages of a batch", messages, {"batch_id": "{batch}"}),
        ("messages, search address", messages, {"q": "{email}"}),
        ("messages, search many names", messages, {"q": "{first_name}", "status": "failed"}),
        ("message", f"{messages}{{id}}/", {}),
        ("people", "/admin/people/", {}),
        ("people, search name", "/admin/people/", {"q": "{name_begin}"}),
        ("person", "/admin/people/{user}/", {}),
        ("batches", "/admin/batches/", {}),
        ("dead letters", "/admin/dead-letters/", {}),
        ("dead letters, template", "/admin/dead-letters/", {"template_code": "rare"}),
        ("providers", "/admin/providers/", {}),
        ("templates", "/admin/templates/", {}),
        ("audit", "/admin/audit/", {}),
        *(
            (f"search {term}", "/admin/search/", {"q": f"{{{term}}}"})
            for term in ("id", "request", "trace", "email", "external", "message", "first_name")
        ),
    ):
        yield Asked(name=name, path=path, query=filled(query))


def filled(query: Mapping[str, str]) -> Callable[[Mapping[str, str]], Mapping[str, str]]:
    """Return the query with the values of a notification in it."""
    return lambda values: {name: words.format_map(values) for name, words in query.items()}


def measure(bench: Bench, pace: Pace) -> list[Line]:
    """Fill a database, and ask each list."""
    stored = pace.stored or STORED_DEFAULT
    bench.make_database(DATABASE, like=bench.database)
    crowd.fill(bench.url(DATABASE), notifications=stored, people=pace.crowd)
    with psycopg.connect(bench.url(DATABASE), autocommit=True) as database:
        database.execute("CHECKPOINT")
    usual, bench.database = bench.database, DATABASE
    try:
        with bench.stack(web=2) as stack:
            values = sample(bench.url(DATABASE), stored)
            return list(_lines(stack, values))
    finally:
        bench.database = usual


def sample(url: str, stored: int) -> list[dict[str, str]]:
    """Return the values of notifications that are spread over the table."""
    numbers = [1 + place * (stored - 1) // ASKED for place in range(ASKED)]
    with psycopg.connect(url, autocommit=True) as database:
        found = database.execute(SAMPLE, [[f"order-{number}" for number in numbers]]).fetchall()
    return [terms_of(dict(zip(COLUMNS, row, strict=True))) for row in found]


def terms_of(row: dict[str, str]) -> dict[str, str]:
    """Return the values of a notification, and terms that find several users."""
    person = row["email"].partition("@")[0]
    number = int(person.removeprefix("user"))
    return row | {
        # Every third user has one.
        "external": f"customer-{number - (number - 1) % 3}",
        # Some hundred users, some hundred, and a tenth of all.
        "email_begin": person[:-2],
        "name_begin": row["name"][:-2],
        "first_name": row["name"].partition(" ")[0],
    }


def _lines(stack: BenchStack, values: Sequence[Mapping[str, str]]) -> Iterator[Line]:
    for who, words in KEYS.items():
        key = command(stack, "notify", "create-api-key", "--name", who, *words)
        headers = {"Authorization": f"Api-Key {key.splitlines()[-1]}"}
        lists = [*of_api(), *(of_operators() if who == "an operator" else ())]
        opener = urllib.request.build_opener()
        for asked in lists:
            yield _line(f"{who}: {asked.name}", opener, stack, asked, values, headers, MOST_API)
    browser = logged_in(stack)
    for asked in of_admin():
        yield _line(f"admin: {asked.name}", browser, stack, asked, values, {}, MOST_ADMIN)
    for asked in of_desk():
        yield _line(f"desk: {asked.name}", browser, stack, asked, values, {}, MOST_ADMIN)


def _line(
    name: str,
    opener: urllib.request.OpenerDirector,
    stack: BenchStack,
    asked: Asked,
    values: Sequence[Mapping[str, str]],
    headers: Mapping[str, str],
    most: Mapping[str, float],
) -> Line:
    waits: list[float] = []
    wrong: list[str] = []
    for each in values:
        query = urllib.parse.urlencode(asked.query(each))
        request = urllib.request.Request(  # noqa: S310 - loopback.
            f"{stack.base}{asked.path.format_map(each)}?{query}", headers=dict(headers)
        )
        begun = time.monotonic()
        try:
            with opener.open(request, timeout=SECONDS) as answer:
                answer.read()
            waits.append(time.monotonic() - begun)
            # A session that has ended shows the login form.
            if "/login/" in answer.url:
                wrong.append("the session is not logged in")
        except urllib.error.HTTPError as error:
            wrong.append(f"{error.code} for {query}")
    rate = len(waits) / sum(waits) if waits else 0.0
    times = percentiles(counted(waits))
    return Line(row=name, ours=Reading(rate=rate, times=times, wrong=tuple(wrong[:3])), most=most)


def logged_in(stack: BenchStack) -> urllib.request.OpenerDirector:
    """Create an administrator, and return a browser with their session."""
    environment = {"DJANGO_SUPERUSER_PASSWORD": PASSWORD}
    command(
        stack, "createsuperuser", "--noinput", "--email", STAFF, "--name", "Staff", **environment
    )
    cookies = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
    page = f"{stack.base}/admin/login/"
    form = browser.open(page, timeout=SECONDS).read().decode()
    found: Any = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
    given = {
        "username": STAFF,
        "password": PASSWORD,
        "csrfmiddlewaretoken": found[1],
        "next": "/admin/",
    }
    browser.open(page, urllib.parse.urlencode(given).encode(), timeout=SECONDS).read()
    return browser


def command(stack: BenchStack, *words: str, **environment: str) -> str:
    """Run a command of this project on the stack's database."""
    return subprocess.run(  # noqa: S603 - a command of this project.
        [f"{BIN}/python", "manage.py", *words],
        cwd=stack.root,
        env={**bare_environment(), **stack.env, **environment},
        check=True,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    ).stdout.strip()
