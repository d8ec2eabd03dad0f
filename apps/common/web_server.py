"""uvicorn's server without its ten looks a second whether it has to end, and with a gentler end."""

import asyncio
import ctypes
import select
import socket
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from types import FrameType

import uvicorn
from uvicorn.supervisors import multiprocess

# uvicorn renews the date of its responses once a second.
TICK_SECONDS = 1.0
# When it stops, a process accepts what waits already: it looks so often at most, with a pause in
# between, and until nothing came for 0.1 s. On a busy machine the system may take so long to finish
# a connection that had begun.
LOOKS, QUIET_LOOKS = 500, 50
PAUSE_SECONDS = 0.002
# Linux: attach a filter for packets (socket(7)). This classic BPF program reads the flags of a
# packet, which are byte 13 of its TCP header, and drops it if it has the flag SYN. Those of a
# connection that has begun pass.
SO_ATTACH_FILTER = 26
DROP_SYN = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in (
        (0x30, 0, 0, 13),  # Load a byte.
        (0x45, 0, 1, 0x02),  # Skip the next instruction if it has none of these bits.
        (0x06, 0, 0, 0),  # Drop.
        (0x06, 0, 0, 0xFFFFFFFF),  # Keep all of it.
    )
)
INSTRUCTION_BYTES = 8


class WebServer(uvicorn.Server):
    """Sleeps until the next second or until a signal, and then accepts what waits before it stops.

    uvicorn wakes up every 0.1 s to see whether a signal has come: while nothing is requested, that
    was half of the processor time of a web process. And it resets the connections that wait to be
    accepted when it stops; a caller cannot know whether such a request was handled.
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

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept the connections that wait, and then end as uvicorn does."""
        listening = [each for server in self.servers for each in server.sockets]
        # Sockets that were passed belong to the supervisor, and other processes may use them still.
        if sockets is None:
            take_no_more(listening)
        waiting = select.poll()
        for each in listening:
            waiting.register(each.fileno(), select.POLLIN)
        quiet = 0
        for _ in range(LOOKS):
            quiet = 0 if waiting.poll(0) else quiet + 1
            if quiet == QUIET_LOOKS:
                break
            await asyncio.sleep(PAUSE_SECONDS)
        await super().shutdown(sockets)


class Supervisor(multiprocess.Multiprocess):
    """Starts the processes and restarts those that die."""

    def terminate_all(self) -> None:
        """Close the port here, and let the processes end.

        As long as the port is open here the system goes on to take connections, which nobody would
        accept any more: they would be reset at the end of this process.
        """
        take_no_more(self.sockets)
        for each in self.sockets:
            each.close()
        super().terminate_all()


def take_no_more(listening: Iterable[socket.socket]) -> None:
    """Let the system ignore new connections; those that wait can still be accepted.

    The system of the caller asks again after a second. It is refused then, or gets a connection to
    the next server on this port. Without this, a connection that comes between the last look and
    the end is reset. Other systems than Linux have nothing like it, nor do some sandboxes (gVisor).
    """
    if sys.platform != "linux":
        return
    program = ctypes.create_string_buffer(DROP_SYN, len(DROP_SYN))
    length = len(DROP_SYN) // INSTRUCTION_BYTES
    option = struct.pack("HP", length, ctypes.addressof(program))
    for each in listening:
        with suppress(OSError):
            each.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, option)


def install() -> None:
    """Let the processes of ``Multiprocess`` use this server.

    There is no option for this, so the name that they use is changed. It has to be called in each
    process: a new one imports the main module, and with it ``serving``.
    """
    multiprocess.Server = WebServer  # type: ignore[attr-defined] # See above.
