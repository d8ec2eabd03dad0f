"""Which WSGI variables the application gets for the head of a request."""

import os

import pytest

from apps.common.server.heads import UNREADABLE
from tests.common.server.conftest import Caller


def test_path_query_and_addresses_of_both_ends_are_passed(caller: Caller) -> None:
    environ = caller.request("/caf%C3%A9%20/x?a=%00&b").body

    # WSGI passes the bytes of the path as Latin-1.
    assert environ["PATH_INFO"].encode("latin-1").decode() == "/café /x"
    assert environ["QUERY_STRING"] == "a=%00&b"
    assert (environ["REMOTE_ADDR"], environ["SERVER_NAME"]) == ("127.0.0.1", "127.0.0.1")
    assert environ["SERVER_PORT"] == str(caller.socket.getpeername()[1])
    assert (environ["REQUEST_METHOD"], environ["SERVER_PROTOCOL"]) == ("GET", "HTTP/1.1")
    assert environ["HTTP_HOST"] == "here"


@pytest.mark.parametrize(
    "name", ["X_Forwarded_For", "X_API_Key", "X-Forwarded_For", "content_type"]
)
def test_a_header_name_with_an_underscore_is_dropped(caller: Caller, name: str) -> None:
    environ = caller.request("/", f"{name}: given").body

    assert "given" not in environ.values()


def test_repeated_headers_are_joined(caller: Caller) -> None:
    environ = caller.request("/", "X-Forwarded-For: 1.1.1.1", "x-forwarded-for: 2.2.2.2").body
    assert environ["HTTP_X_FORWARDED_FOR"] == "1.1.1.1,2.2.2.2"

    environ = caller.request("/", "Cookie: a=1", "Cookie: b=2").body
    assert environ["HTTP_COOKIE"] == "a=1; b=2"


def test_a_non_ascii_header_value_is_replaced_by_an_invalid_one(caller: Caller) -> None:
    environ = caller.request("/", "Idempotency-Key: caf\u00e9", "X-Good: good").body

    assert environ["HTTP_IDEMPOTENCY_KEY"] == UNREADABLE
    assert not UNREADABLE.isprintable()
    assert environ["HTTP_X_GOOD"] == "good"


def test_the_host_of_an_absolute_url_is_used(caller: Caller) -> None:
    assert caller.request("http://there/x?y").body["HTTP_HOST"] == "there"


def test_environment_variables_are_not_passed_to_the_application(caller: Caller) -> None:
    environ = caller.request("/").body

    assert not set(environ) & {name for name in os.environ if not name.startswith("SERVER_")}
    assert "SECRET_KEY" not in environ


def test_a_request_without_a_body_has_no_length(caller: Caller) -> None:
    environ = caller.request("/").body

    assert (environ["CONTENT_LENGTH"], environ["length"]) == ("", 0)
