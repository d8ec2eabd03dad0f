"""Strict JSON types in serializers, both spellings of paths, and files with secrets."""

import stat
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse
from django.urls import path, re_path

from apps.common import secret_file
from apps.common.rest.routes import either_slash
from apps.common.rest.serializers import (
    StrictBooleanField,
    StrictCharField,
    StrictEmailField,
    StrictIntegerField,
    StrictSerializer,
)


class Form(StrictSerializer):
    text = StrictCharField(max_length=5)
    mail = StrictEmailField()
    flag = StrictBooleanField()
    number = StrictIntegerField(min_value=0)


GOOD: dict[str, Any] = {"text": "abc", "mail": "a@example.com", "flag": False, "number": 0}
WRONG: dict[str, list[Any]] = {
    "text": [None, 1, 1.5, True, [], {}, "", "sixsix", "five5 "],
    "mail": [None, 1, True, "nobody", [], "a@", "@example.com"],
    "flag": [None, 0, 1, "true", "yes", "", [], {}],
    "number": [None, "1", 1.5, True, False, [], {}, -1],
}


def codes(given: Any) -> dict[str, list[str]]:
    form = Form(data=given)
    assert not form.is_valid()
    return {name: [detail.code for detail in details] for name, details in form.errors.items()}


def test_valid_values_are_not_changed() -> None:
    form = Form(data=GOOD)
    assert form.is_valid()
    assert dict(form.validated_data) == GOOD


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_value_of_another_type_is_refused_at_its_field(name: str, value: Any) -> None:
    assert list(codes({**GOOD, name: value})) == [name]


def test_each_unknown_field_is_refused() -> None:
    assert codes({**GOOD, "more": 1, "": 2}) == {"more": ["unknown_field"], "": ["unknown_field"]}


@pytest.mark.parametrize("given", [None, [], "text", 1, True])
def test_a_value_that_is_not_an_object_is_refused(given: Any) -> None:
    assert not Form(data=given).is_valid()


def view(request: object) -> HttpResponse:
    return HttpResponse()


def test_each_path_gets_a_second_spelling_and_keeps_its_name() -> None:
    made = either_slash([path("a/", view, name="a"), path("b", view, name="b")])
    assert [(str(one.pattern), one.name) for one in made] == [
        ("a/", "a"),
        ("b", "b"),
        ("a", None),
        ("b/", None),
    ]


def test_a_regular_expression_gets_no_second_spelling() -> None:
    with pytest.raises(TypeError):
        either_slash([re_path("^a/$", view)])


def test_secrets_are_generated_once_and_readable_by_their_owner_only(tmp_path: Path) -> None:
    kept = tmp_path / "var" / "demo.env"
    first = secret_file.secret(kept, "KEY")
    assert len(first) == 64
    assert secret_file.secret(kept, "KEY") == first
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    secret_file.keep(kept, {"OTHER": "a=b"})
    assert secret_file.read(kept) == {"KEY": first, "OTHER": "a=b"}
    assert [path.name for path in kept.parent.iterdir()] == ["demo.env"]


def test_a_missing_secret_file_is_empty(tmp_path: Path) -> None:
    assert secret_file.read(tmp_path / "nowhere") == {}
