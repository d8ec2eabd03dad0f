"""Runs a fake in its own event loop and thread, so that it serves while a test waits."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Self


class ServerThread:
    """Base of the fakes. Subclasses implement ``serve``, which runs in the event loop."""

    host = "127.0.0.1"

    def __init__(self, *, port: int = 0) -> None:
        self.port = port
        self.loop = asyncio.new_event_loop()
        self.tasks: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError

    async def start(self, **options: Any) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self.tasks.add(task)
            try:
                await self.serve(reader, writer)
            except (OSError, EOFError, asyncio.CancelledError):
                pass  # The client disconnected, or the fake is being stopped.
            finally:
                self.tasks.discard(task)
                writer.close()

        self._server = await asyncio.start_server(
            serve, self.host, self.port, limit=32 * 1024 * 1024, **options
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        # Let asyncio finish accepting new connections first: it leaves a connection open when the
        # server is closed during the accept.
        for _ in range(5):
            await asyncio.sleep(0)
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await asyncio.sleep(0)

    def call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=10)

    def stop_serving(self) -> None:
        """Stop listening and close every connection, like a server that died."""
        self.call(self.stop())

    def serve_again(self) -> None:
        """Listen again on the same port."""
        self.call(self.start())

    def __enter__(self) -> Self:
        self._thread.start()
        self.call(self.start())
        return self

    def __exit__(self, *_: object) -> None:
        self.call(self.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(timeout=10)
        self.loop.close()
