"""A server that accepts connections and then neither reads nor writes."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

from tests.fakes.loop import ServerThread


class SilentServer(ServerThread):
    """Never reads, so that data sent to it stays in the socket buffers of both sides."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert isinstance(writer.transport, asyncio.ReadTransport)
        writer.transport.pause_reading()
        await asyncio.sleep(3600)


@contextlib.contextmanager
def swallowing_address() -> Iterator[tuple[str, int]]:
    """Yield an address that drops packets, because its accept queue is full.

    Linux drops a SYN for a listening socket with a full queue, as a firewall would.
    """
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        while True:
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0.2)
            try:
                waiting.connect(listening.getsockname())
            except TimeoutError:
                break
        host, port = listening.getsockname()
        yield host, port
