"""The JSON parser: limited in size and depth, strict about characters, no other exceptions."""

import io
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ParseError

from apps.common.rest.parsers import MAX_DEPTH, decode, places, read_bounded, refuse_depth
from apps.common.rest.problems import Problem

texts = st.text(
    st.characters(
        exclude_categories=["Cs"],
        exclude_characters=[*map(chr, range(9)), "\x0b", "\x0c", *map(chr, range(14, 32)), "\x7f"],
    )
)
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(document=documents, ascii_only=st.booleans())
def test_json_is_decoded_to_the_same_document(
    document: Any,
    ascii_only: bool,  # noqa: FBT001 - Hypothesis passes arguments by name.
) -> None:
    assert decode(json.dumps(document, ensure_ascii=ascii_only).encode()) == document


@given(raw=st.binary(max_size=300))
def test_any_bytes_are_decoded_or_refused(raw: bytes) -> None:
    with suppress(ParseError, Problem):
        decode(raw)


@given(raw=st.text(alphabet='{}[]",:\\u0019ed8a tfn', max_size=60))
def test_any_text_similar_to_json_is_decoded_or_refused(raw: str) -> None:
    with suppress(ParseError, Problem):
        decode(raw.encode())


@given(depth=st.integers(1, 200), opening=st.sampled_from(['{"a":', "["]))
def test_the_depth_is_counted_exactly(depth: int, opening: str) -> None:
    closing = "}" if opening.startswith("{") else "]"
    raw = (opening * depth + "1" + closing * depth).encode()
    if depth <= MAX_DEPTH:
        decode(raw)
    else:
        with pytest.raises(Problem) as refused:
            decode(raw)
        assert refused.value.problem_code == "too_deep"


@pytest.mark.parametrize(
    "raw",
    [b'"' + b"[" * 1000 + b'"', b'["' + b"{" * 1000 + b'\\""]', b'"' + b'\\"[' * 1000 + b'"'],
)
def test_brackets_within_strings_do_not_count_as_depth(raw: bytes) -> None:
    decode(raw)


def test_many_shallow_brackets_do_not_add_up() -> None:
    refuse_depth(b"[" + b"[]," * 10_000 + b"[]]")


def test_an_unterminated_string_is_refused_quickly() -> None:
    with pytest.raises((ParseError, Problem)):
        decode(b"[" * 40 + b'"' + b'\\"' * 100_000)


@pytest.mark.parametrize("allowed", ["\\t", "\\n", "\\r", "\\u0009", "\\u00e9", "\\ud83d\\ude00"])
def test_characters_that_are_allowed_in_texts_are_decoded(allowed: str) -> None:
    decode(f'{{"a": "x{allowed}y"}}'.encode())


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        ('{"a": {"b": ["x", "\\u0000"]}}', "/a/b/1"),
        ('{"a/b": "\\u001f"}', "/a~1b"),
        ('{"bad\\u0001": 1}', "/bad\x01"),
        ('["\\u007f"]', "/0"),
        ('{"a": "x\x7fy"}', "/a"),
    ],
)
def test_a_control_character_is_refused_and_its_place_is_named(raw: str, pointer: str) -> None:
    with pytest.raises(Problem) as refused:
        decode(raw.encode())
    (error,) = refused.value.errors
    assert (error.pointer, error.code) == (pointer, "control_character")


def test_a_backslash_before_u0000_is_text() -> None:
    assert decode(b'{"a": "\\\\u0000"}') == {"a": "\\u0000"}


class View:
    max_body_bytes = 10


class Announced:
    def __init__(self, length: str) -> None:
        self.META = {"CONTENT_LENGTH": length}


@pytest.mark.parametrize("announced", ["11", "999999999999", "5", "", "nonsense", "-1"])
def test_a_body_is_never_read_beyond_its_limit(announced: str) -> None:
    stream = io.BytesIO(b"x" * 11)
    with pytest.raises(Problem) as refused:
        read_bounded(stream, {"view": View(), "request": Announced(announced)})
    assert refused.value.status_code == 413
    assert stream.tell() <= 11


def test_a_body_of_exactly_the_limit_is_read() -> None:
    assert read_bounded(io.BytesIO(b"x" * 10), {"view": View()}) == b"x" * 10


def test_every_scalar_and_key_has_a_place() -> None:
    found = list(places({"a": [1, {"b": None}], "c": "x"}))
    assert found == [
        (("a",), "a"),
        (("a", 0), 1),
        (("a", 1, "b"), "b"),
        (("a", 1, "b"), None),
        (("c",), "c"),
        (("c",), "x"),
    ]
