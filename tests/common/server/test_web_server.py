"""uvicorn's server as it is changed here: it ends on a signal without looking for one."""

import asyncio
import signal
import socket
from importlib import import_module

import pytest
import uvicorn
from uvicorn.supervisors import multiprocess

from apps.common.web_server import WebServer, take_no_more

ENDED_WITHIN_SECONDS = 30


class Counting(WebServer):
    """Counts its ticks, and gets a signal in the first one."""

    ticks = 0

    async def on_tick(self, counter: int) -> bool:
        self.ticks += 1
        ended = await super().on_tick(counter)
        if self.ticks == 1:
            self.handle_exit(signal.SIGTERM, None)
        return ended


def configuration() -> uvicorn.Config:
    config = uvicorn.Config("tests.common.server.echo:server")
    config.encoded_headers = []
    return config


class Sandboxed(socket.socket):
    """A socket of a system that has no filters, as gVisor, in which Google's Cloud Run runs."""

    def setsockopt(self, *_: object) -> None:
        raise OSError(92, "Protocol not available")


def test_a_system_without_filters_ends_no_stop() -> None:
    with Sandboxed() as first, socket.create_server(("127.0.0.1", 0)) as second:
        take_no_more([first, second])

        with pytest.raises(TimeoutError):
            socket.create_connection(second.getsockname(), timeout=0.2)


def test_the_processes_of_several_use_the_changed_server() -> None:
    import_module("apps.common.serving")
    assert type(multiprocess.Process(configuration(), []).server) is WebServer


def test_a_signal_ends_the_loop_at_once_and_the_date_is_set() -> None:
    async def serve() -> Counting:
        server = Counting(configuration())
        await asyncio.wait_for(server.main_loop(), ENDED_WITHIN_SECONDS)
        return server

    server = asyncio.run(serve())

    # The first sets the date, the second sees that the server has to end.
    assert server.ticks == 2
    assert [name for name, _ in server.server_state.default_headers] == [b"date"]
