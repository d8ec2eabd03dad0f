"""Flower shows tasks in words, whatever their arguments look like."""

import importlib
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from celery.utils.saferepr import saferepr
from flower.views import BaseHandler
from tornado.options import options

from apps.notifications.broker.topology import DELIVER_TASKS, SHOWN_QUEUES
from apps.webhooks.lane import DELIVER_TASK

ROOT = Path(__file__).parents[2]
FLOWER = runpy.run_path(str(ROOT / "docker/flower.py"))


def shown(name: str, args: str) -> Any:
    return FLOWER["format_task"](SimpleNamespace(name=name, args=args, kwargs="{}"))


def test_every_task_has_a_name_in_words() -> None:
    assert set(FLOWER["NAMES"]) == {*DELIVER_TASKS.values(), DELIVER_TASK}


def test_the_configuration_sets_no_option_by_accident() -> None:
    # Every name of the file that is an option of Flower or Tornado, such as ``logging``, sets it.
    importlib.import_module("flower.options")
    known = {name.replace("-", "_") for name in options.as_dict()}
    assert known & set(FLOWER) == {"tasks_columns", "format_task"}


def test_the_broker_page_has_every_queue_whichever_workers_were_asked() -> None:
    shown = BaseHandler.get_active_queue_names(SimpleNamespace())
    assert shown == list(SHOWN_QUEUES)


@pytest.mark.parametrize(
    ("count", "attempt", "said"),
    [
        (1, 0, "1 notification: "),
        (1, 1, "1 notification, after 1 attempt: "),
        (3, 2, "3 notifications, after 2 attempts: "),
    ],
)
def test_the_arguments_are_counted_and_named(count: int, attempt: int, said: str) -> None:
    ids = [str(uuid4()) for _ in range(count)]

    task = shown("notifications.deliver_email", saferepr([ids, attempt]))

    assert task.name == "Deliver mails"
    assert task.args == said + ", ".join(ids)


def test_arguments_that_celery_has_cut_are_at_least_so_many() -> None:
    ids = [str(uuid4()) for _ in range(100)]

    task = shown("notifications.deliver_push", saferepr([ids, 0], maxlen=1024))

    assert task.args.startswith("at least 2")
    assert task.args.endswith(" more")


@pytest.mark.parametrize(("count", "said"), [(1, "1 endpoint: "), (3, "3 endpoints: ")])
def test_a_message_of_the_webhooks_names_its_endpoints(count: int, said: str) -> None:
    ids = [str(uuid4()) for _ in range(count)]

    for args in ([ids], (ids,)):
        task = shown("webhooks.deliver", saferepr(args))
        assert task.name == "Deliver webhooks"
        assert task.args == said + ", ".join(ids)


def test_endpoints_that_celery_has_cut_are_at_least_so_many() -> None:
    ids = [str(uuid4()) for _ in range(100)]

    task = shown("webhooks.deliver", saferepr([ids], maxlen=1024))

    assert task.args.startswith("at least 2")
    assert " endpoints: " in task.args


@pytest.mark.parametrize("args", ["", "([], 0)", "nonsense"])
def test_other_arguments_stay_as_they_are(args: str) -> None:
    assert shown("notifications.deliver_email", args).args == args
    assert shown("celery.chord", args).name == "celery.chord"


def test_the_image_has_the_configuration() -> None:
    assert "docker/flower.py" in (ROOT / "docker/Dockerfile").read_text()
