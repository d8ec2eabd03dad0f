"""A TCP proxy that can stop or freeze, to simulate an unreachable server without stopping it."""

import asyncio

from tests.fakes.loop import ServerThread


class Proxy(ServerThread):
    """Forwards bytes between its own port and the port of a server."""

    def __init__(self, *, target_port: int, port: int = 0) -> None:
        super().__init__(port=port)
        self.target_port = target_port
        self.flowing = asyncio.Event()
        self.flowing.set()
        # The number of connections so far.
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        upstream_reader, upstream_writer = await asyncio.open_connection(
            self.host, self.target_port
        )
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(reader, upstream_writer))
                pumps.create_task(self._pump(upstream_reader, writer))
        except* (OSError, EOFError):
            pass  # One side disconnected, so the other connection is closed as well.
        finally:
            upstream_writer.close()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            await self.flowing.wait()
            sink.write(data)
            await sink.drain()
        raise EOFError

    def freeze(self) -> None:
        """Forward no bytes, like a server process that was stopped with its connections open."""
        self.loop.call_soon_threadsafe(self.flowing.clear)

    def thaw(self) -> None:
        """Forward bytes again."""
        self.loop.call_soon_threadsafe(self.flowing.set)
