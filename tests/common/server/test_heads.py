"""What the application is told of a request's head."""

import os

import pytest

from apps.common.server.heads import UNREADABLE
from tests.common.server.conftest import Caller


def test_address_query_and_names_of_both_ends_are_told(caller: Caller) -> None:
    told = caller.asked("/caf%C3%A9%20/x?a=%00&b").body

    # WSGI hands the bytes of the address over as Latin-1.
    assert told["PATH_INFO"].encode("latin-1").decode() == "/café /x"
    assert told["QUERY_STRING"] == "a=%00&b"
    assert (told["REMOTE_ADDR"], told["SERVER_NAME"]) == ("127.0.0.1", "127.0.0.1")
    assert told["SERVER_PORT"] == str(caller.socket.getpeername()[1])
    assert (told["REQUEST_METHOD"], told["SERVER_PROTOCOL"]) == ("GET", "HTTP/1.1")
    assert told["HTTP_HOST"] == "here"


@pytest.mark.parametrize(
    "name", ["X_Forwarded_For", "X_API_Key", "X-Forwarded_For", "content_type"]
)
def test_a_name_with_an_underscore_is_no_name_with_a_hyphen(caller: Caller, name: str) -> None:
    told = caller.asked("/", f"{name}: given").body

    assert "given" not in told.values()


def test_lines_of_one_name_are_joined(caller: Caller) -> None:
    told = caller.asked("/", "X-Forwarded-For: 1.1.1.1", "x-forwarded-for: 2.2.2.2").body
    assert told["HTTP_X_FORWARDED_FOR"] == "1.1.1.1,2.2.2.2"

    told = caller.asked("/", "Cookie: a=1", "Cookie: b=2").body
    assert told["HTTP_COOKIE"] == "a=1; b=2"


def test_a_value_that_is_not_ascii_is_nothing_that_a_reader_takes(caller: Caller) -> None:
    told = caller.asked("/", "Idempotency-Key: caf\u00e9", "X-Good: good").body

    assert told["HTTP_IDEMPOTENCY_KEY"] == UNREADABLE
    assert not UNREADABLE.isprintable()
    assert told["HTTP_X_GOOD"] == "good"


def test_of_an_absolute_address_the_host_in_it_counts(caller: Caller) -> None:
    assert caller.asked("http://there/x?y").body["HTTP_HOST"] == "there"


def test_nothing_of_the_environment_is_handed_on(caller: Caller) -> None:
    told = caller.asked("/").body

    assert not set(told) & {name for name in os.environ if not name.startswith("SERVER_")}
    assert "SECRET_KEY" not in told


def test_a_request_without_a_body_has_no_length(caller: Caller) -> None:
    told = caller.asked("/").body

    assert (told["CONTENT_LENGTH"], told["length"]) == ("", 0)
