"""No accepted notification is lost, whichever process dies at whichever moment."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from kombu import Connection

from apps.notifications.broker import topology
from tests import services
from tests.journeys.http import Api, until
from tests.journeys.installation import Installation

pytestmark = [pytest.mark.services, pytest.mark.timeout(240)]

MAILS = 300


def accept(api: Api, *, count: int = MAILS) -> list[str]:
    template, alice = api.mail_template(), api.user("alice")
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda _: api.send("email", alice, template), range(count)))


def copies(installation: Installation, ids: list[str]) -> dict[str, int]:
    """Count the copies of each notification at the mail server."""
    seen = dict.fromkeys(ids, 0)
    for mail in installation.smtp.mails:
        name = mail.parsed["Message-ID"].strip("<>").partition("@")[0]
        if name in seen:
            seen[name] += 1
    return seen


def test_killing_worker_and_web_loses_nothing(installation: Installation, api: Api) -> None:
    # Slow enough that the worker is killed in the middle of a chunk.
    installation.smtp.latency = 0.02
    try:
        ids = accept(api)
        installation.processes["web"].kill()
        until(lambda: any(copies(installation, ids).values()), within=20, what="the first mail")
        for _ in range(3):
            installation.processes["email"].kill()
            installation.start("email")
            time.sleep(3)
        installation.start("web")
        installation.wait_until_ready()

        endings = api.all_ended(ids, within=150)
    finally:
        installation.smtp.latency = 0.0
    arrived = copies(installation, ids)

    assert set(endings) == {"sent"}
    assert min(arrived.values()) == 1, "every accepted mail has arrived"
    doubled = sum(count - 1 for count in arrived.values())
    # A mail is duplicated only if its worker died between the server's reply and the record: at
    # most one chunk for each of the three kills.
    assert doubled <= 3 * 100


def test_without_a_broker_requests_are_accepted_as_quickly_and_delivered_later(
    installation: Installation, api: Api
) -> None:
    proxy = installation.broker
    template, alice = api.mail_template(), api.user("alice")

    def timed_send() -> tuple[str, float]:
        started = time.perf_counter()
        sent = api.send("email", alice, template)
        return sent, time.perf_counter() - started

    usual = [timed_send() for _ in range(50)]
    proxy.freeze()
    frozen = [timed_send() for _ in range(50)]
    proxy.stop_serving()
    away = [timed_send() for _ in range(50)]
    statuses_while_away = {api.status(pk)["status"] for pk, _ in away}
    proxy.thaw()
    proxy.serve_again()

    def p95(timings: list[tuple[str, float]]) -> float:
        return sorted(seconds for _, seconds in timings)[int(len(timings) * 0.95)]

    assert statuses_while_away == {"pending"}
    assert p95(frozen) < max(0.1, 2 * p95(usual))
    assert p95(away) < max(0.1, 2 * p95(usual))
    ids = [pk for pk, _ in usual + frozen + away]
    assert set(api.all_ended(ids, within=150)) == {"sent"}
    assert min(copies(installation, ids).values()) == 1


def test_terminated_database_sessions_cause_no_duplicates_and_no_poison(
    installation: Installation, api: Api
) -> None:
    letters = installation.query("SELECT count(*) FROM notifications_deadletter")
    template, people = api.mail_template(), [api.user(f"ended{number}") for number in range(50)]
    installation.smtp.latency = 0.01
    try:
        asked = [
            {
                "notification_type": "email",
                "user_id": user,
                "template_code": template,
                "variables": {"name": "Ada"},
            }
            for user in people * 10
        ]
        answer = api.made("/api/v1/notifications/bulk", {"notifications": asked})
        ids = [str(result["id"]) for result in answer["results"]]
        until(lambda: any(copies(installation, ids).values()), within=20, what="the first mail")
        for _ in range(4):
            installation.query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            time.sleep(0.7)
        assert set(api.all_ended(ids, within=150)) == {"sent"}
    finally:
        installation.smtp.latency = 0.0

    assert set(copies(installation, ids).values()) == {1}
    assert installation.query("SELECT count(*) FROM notifications_deadletter") == letters


def test_poison_is_recorded_and_never_stops_a_queue(installation: Installation, api: Api) -> None:
    before = {row[0] for row in installation.query("SELECT id FROM notifications_deadletter")}
    with Connection(services.BROKER_URL) as connection:
        producer = connection.Producer(exchange=topology.EXCHANGE, routing_key="email")
        task = {"task": "notifications.deliver_email", "id": "poison-arguments"}
        producer.publish([[["no id"], 0], {}, {}], headers=task, serializer="json")
        producer.publish([[], {}, {}], headers={"task": "no.such.task", "id": "poison-task"})
        producer.publish({"hello": "world"}, serializer="json")
        producer.publish(b"{", content_type="application/json", content_encoding="utf-8")
        producer.publish(
            b"\x80\x04.", content_type="application/x-python-serialize", content_encoding="binary"
        )

    def new_letters() -> list[tuple[str, str]]:
        rows = installation.query("SELECT id, reason, channel FROM notifications_deadletter")
        return [(reason, channel) for pk, reason, channel in rows if pk not in before]

    until(lambda: len(new_letters()) >= 5, within=20, what="five dead letters")
    recorded = new_letters()

    assert set(recorded) == {("rejected", "email")}
    assert len(recorded) == 5
    assert api.ended(api.send("email", api.user("alice"), api.mail_template()))["status"] == "sent"


def test_a_worker_that_receives_sigterm_finishes_its_chunk(
    installation: Installation, api: Api
) -> None:
    installation.smtp.latency = 0.05
    try:
        ids = accept(api, count=60)
        until(lambda: any(copies(installation, ids).values()), within=20, what="the first mail")
        installation.processes["email"].stop()
    finally:
        installation.smtp.latency = 0.0
    held = [pk for pk in ids if api.status(pk)["status"] == "sending"]
    installation.start("email")

    assert held == []
    assert set(api.all_ended(ids, within=60)) == {"sent"}
    assert set(copies(installation, ids).values()) == {1}
