"""Answers about dead letters conform to the OpenAPI document."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.notifications.dead_letters import replay_one
from apps.users.models import User
from tests.contracts.conftest import document
from tests.contracts.test_openapi import SchemaValidator, validator
from tests.notifications.dead_letters.letters import PATH, dead_letter, poison

pytestmark = pytest.mark.django_db
__all__ = ["document", "validator"]

ONE = f"{PATH}{{letter_id}}"
REPLAYS = f"{PATH}replays/"


def test_answers_about_dead_letters_conform_to_the_document(
    validator: SchemaValidator,
    shop: APIClient,
    alice: User,
) -> None:
    letter, thrown_out, other = (
        dead_letter(alice),
        poison("x", reason="delivery_limit"),
        dead_letter(alice),
    )
    replay_one.replay(other.pk, by="operator")
    replay: Any = shop.post(f"{PATH}replay", {"channel": "email"}, format="json")
    reason = {"reason": "not ours"}
    for answer, path, method in (
        (shop.get(f"{PATH}?state=all"), PATH, "get"),
        (shop.get(f"{PATH}?state=none"), PATH, "get"),
        (shop.get(f"{PATH}{letter.pk}"), ONE, "get"),
        (shop.get(f"{PATH}{thrown_out.pk}"), ONE, "get"),
        (shop.get(f"{PATH}{other.pk}"), ONE, "get"),
        (shop.post(f"{PATH}{letter.pk}/replay"), f"{ONE}/replay", "post"),
        (shop.post(f"{PATH}{letter.pk}/replay"), f"{ONE}/replay", "post"),
        (shop.post(f"{PATH}{thrown_out.pk}/replay"), f"{ONE}/replay", "post"),
        (
            shop.post(f"{PATH}{thrown_out.pk}/discard", reason, format="json"),
            f"{ONE}/discard",
            "post",
        ),
        (shop.post(f"{PATH}replay", {"dry_run": True}, format="json"), f"{PATH}replay", "post"),
        (replay, f"{PATH}replay", "post"),
        (shop.get(REPLAYS), REPLAYS, "get"),
        (shop.get(replay.json()["links"]["self"]), f"{REPLAYS}{{replay_id}}", "get"),
        (
            shop.post(replay.json()["links"]["cancel"]),
            f"{REPLAYS}{{replay_id}}/cancel",
            "post",
        ),
    ):
        validator.answer(answer, path, method)
