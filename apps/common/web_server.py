"""uvicorn's server without its ten looks a second whether it has to end."""

import asyncio
from contextlib import suppress
from types import FrameType

import uvicorn
from uvicorn.supervisors import multiprocess

# uvicorn renews the date of its responses once a second.
TICK_SECONDS = 1.0


class WebServer(uvicorn.Server):
    """Sleeps until the next second or until a signal.

    uvicorn wakes up every 0.1 s to see whether a signal has come: while nothing is requested, that
    was half of the processor time of a web process.
    """

    _signalled: asyncio.Event | None = None
    _serving_loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        """Renew the date every second until a signal ends the process."""
        self._signalled = asyncio.Event()
        self._serving_loop = asyncio.get_running_loop()
        # With 0 it renews the date in each call.
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._signalled.wait(), TICK_SECONDS)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note the signal, and wake the loop."""
        super().handle_exit(sig, frame)
        if self._serving_loop is not None and self._signalled is not None:
            self._serving_loop.call_soon_threadsafe(self._signalled.set)


def install() -> None:
    """Let the processes of ``Multiprocess`` use this server.

    There is no option for this, so the name that they use is changed. It has to be called in each
    process: a new one imports the main module, and with it ``serving``.
    """
    multiprocess.Server = WebServer  # type: ignore[attr-defined] # See above.
