"""A turn of deliveries, measured at the sink."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from time import monotonic, sleep

from tests.benchmarks.cpu import meter
from tests.benchmarks.figures import Turn
from tests.benchmarks.sinks.program import Sink

# A turn is over after this time without a message.
SILENCE_SECONDS = 60
POLL_SECONDS = 0.02


def watched(
    sink: Sink,
    count: int,
    *,
    groups: Mapping[str, int],
    during: Callable[[], object] | None = None,
    written: Callable[[], Callable[[], dict[str, float]]] | None = None,
) -> Turn:
    """Wait for ``count`` messages and count them; fewer or more messages are errors.

    Args:
        sink: It must be reset before the first message can be sent.
        during: Function that sends the messages; None if they are sent anyway.
        written: Starts to count what the database writes for the messages.
    """
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(during) if during is not None else None

        def ended() -> bool:
            return done is not None and done.done()

        patience = monotonic() + SILENCE_SECONDS
        while not sink.taken().taken and not ended() and monotonic() < patience:
            sleep(POLL_SECONDS)
        before, meanwhile = sink.taken().taken, meter(groups)
        counted = written() if written is not None else None
        sink.wait_for(count, within=SILENCE_SECONDS, ended=ended)
        used = meanwhile()
        if done is not None:
            done.result()
    found = sink.taken()
    wrong = []
    if found.distinct != count:
        wrong.append(f"{found.distinct} different messages of {count} came")
    if found.taken != found.distinct:
        wrong.append(f"{found.taken - found.distinct} copies came")
    return Turn(
        # The first message only starts the clock.
        units=max(0, found.taken - 1),
        seconds=found.last - found.first,
        used=replace(used, units=found.taken - before, bytes=counted() if counted else {}),
        wrong=tuple(wrong),
    )
