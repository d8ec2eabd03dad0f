"""Deliver webhooks in one thread with an event loop, so that calls that hang cost no thread.

Each endpoint has a pump of its own with a few calls at a time. An endpoint that hangs fills its own
places and no other's; after a few failures in a row its breaker opens, and then it holds one call.
"""

import asyncio
import os
import ssl
import threading
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TypeVar
from uuid import UUID

import structlog
from django.db import Error, close_old_connections, connections
from django.utils import timezone

from apps.common.database_retry import run_until_answered
from apps.webhooks import signing
from apps.webhooks.delivery import claim as claims
from apps.webhooks.delivery import record as records
from apps.webhooks.delivery.claim import Claim
from apps.webhooks.delivery.record import Called
from apps.webhooks.delivery.wire import TIMEOUT_SECONDS, Wire
from apps.webhooks.models import Delivery, Endpoint
from apps.webhooks.schedule import CALLS_PER_ENDPOINT, Answer, CallError, Health, after
from apps.webhooks.signing import UnreadableSecretError

log = structlog.get_logger(__name__)

T = TypeVar("T")

CALLS_PER_PROCESS = 500
# Claimed and recorded together.
CHUNK = 100
# Claims of the same endpoint are so far apart unless it has a backlog: what comes meanwhile is
# claimed and recorded together, where each event alone would take six statements.
CLAIM_SECONDS = 0.1
# A process looks for due rows at least this often, and for the next due time in between.
LOOK_SECONDS = 5.0
LOOK_MIN_SECONDS = 0.2
# How long the results in memory wait for the database before they are given up and sent again.
PATIENCE_SECONDS = 30.0
STOP_SECONDS = TIMEOUT_SECONDS + 5.0
# No call begins that could last longer than the lease.
LEASE_RESERVE = timedelta(seconds=TIMEOUT_SECONDS + 10)


@dataclass(kw_only=True)
class _Sending:
    """The calls of one claim.

    Attributes:
        claim: The claimed rows and their endpoint.
        endpoint: The endpoint.
        secrets: The secrets that sign.
        health: The state of the endpoint after the calls so far.
        waiting: The rows that are not called yet.
        done: The calls that are not recorded yet.
        gone: Whether the endpoint wants no more events.
    """

    claim: Claim
    endpoint: Endpoint
    secrets: list[str]
    health: Health
    waiting: deque[Delivery]
    done: list[Called] = field(default_factory=list)
    gone: bool = False


class Dispatcher:
    """Delivers what is due, until it is stopped.

    Args:
        tls: Verifies the certificates of endpoints; by default with those of the system.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        self._pumps: dict[UUID, asyncio.Task[None]] = {}
        # Endpoints that got something while their pump was working.
        self._again: set[UUID] = set()

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()
        self._ready.wait()

    def wake(self, endpoint_ids: Collection[UUID]) -> None:
        """Look for due rows of endpoints now. Called from any thread."""
        if self._loop is not None and not self._stopping:
            self._loop.call_soon_threadsafe(self._begin, list(endpoint_ids))

    def stop(self) -> None:
        """Claim nothing more, end the calls that have begun, record them, and return."""
        self._stopping = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._look_now.set)
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except Exception:
            log.exception("the delivery of webhooks ended")
        finally:
            self._ready.set()

    async def _main(self) -> None:
        self._look_now = asyncio.Event()
        self._calls = asyncio.Semaphore(CALLS_PER_PROCESS)
        # One connection is enough: claiming and recording a hundred deliveries takes 10 ms.
        self._database_thread = ThreadPoolExecutor(1, thread_name_prefix="webhook-database")
        self._wire = Wire(self._tls)
        self._loop = asyncio.get_running_loop()
        self._ready.set()
        try:
            while not self._stopping:
                wait = await self._look()
                try:
                    async with asyncio.timeout(wait):
                        await self._look_now.wait()
                except TimeoutError:
                    pass
            if self._pumps:
                await asyncio.wait(self._pumps.values(), timeout=STOP_SECONDS)
        finally:
            await self._wire.close()
            self._database_thread.submit(connections.close_all)
            self._database_thread.shutdown()

    async def _look(self) -> float:
        """Begin with all endpoints that have something due; return the seconds to the next look."""
        try:
            self._begin(await self._database(claims.due_endpoints))
            await self._database(claims.end_disabled)
            due = await self._database(claims.next_due)
        except Error as error:
            log.warning("webhooks wait for the database", error=type(error).__name__)
            return LOOK_SECONDS
        except Exception:
            # No error may end this thread, or nothing would be delivered any more.
            log.exception("due webhooks could not be looked for")
            return LOOK_SECONDS
        if due is None:
            return LOOK_SECONDS
        left = (due - timezone.now()).total_seconds()
        return min(LOOK_SECONDS, max(LOOK_MIN_SECONDS, left))

    async def _database(self, work: Callable[[], T]) -> T:
        """Run a function that uses the database in its thread."""

        def connected() -> T:
            close_old_connections()
            return work()

        return await asyncio.get_running_loop().run_in_executor(self._database_thread, connected)

    def _begin(self, endpoint_ids: Collection[UUID]) -> None:
        for endpoint_id in endpoint_ids:
            if endpoint_id in self._pumps:
                self._again.add(endpoint_id)
            elif not self._stopping:
                self._pumps[endpoint_id] = asyncio.ensure_future(self._pump(endpoint_id))

    async def _pump(self, endpoint_id: UUID) -> None:
        """Deliver everything that is due of one endpoint."""
        try:
            self._again.discard(endpoint_id)
            loop = asyncio.get_running_loop()
            begun = loop.time()
            claimed = await self._claim(endpoint_id)
            known: Health | None = None
            while claimed.rows and claimed.endpoint is not None:
                # The next rows are claimed meanwhile, unless these show whether the endpoint works.
                ahead = (
                    asyncio.ensure_future(self._claim(endpoint_id))
                    if len(claimed.rows) == CHUNK
                    else None
                )
                latest = await self._send(claimed, claimed.endpoint, known)
                # What is claimed meanwhile shows the endpoint as it was before these calls.
                known = latest if ahead else None
                if ahead is None:
                    await asyncio.sleep(begun + CLAIM_SECONDS - loop.time())
                begun = loop.time()
                claimed = await (ahead or self._claim(endpoint_id))
        except Error as error:
            log.warning("webhooks wait for the database", error=type(error).__name__)
        except Exception:
            # The rows are due again when their lease has ended.
            log.exception("webhooks of an endpoint failed", endpoint_id=str(endpoint_id))
        finally:
            del self._pumps[endpoint_id]
            if endpoint_id in self._again:
                self._begin([endpoint_id])

    async def _claim(self, endpoint_id: UUID) -> Claim:
        limit = 0 if self._stopping else CHUNK
        return await self._database(partial(claims.claim, endpoint_id, limit=limit))

    async def _send(self, claimed: Claim, endpoint: Endpoint, known: Health | None) -> Health:
        """Call the endpoint for each claimed row, and record the results as they come.

        Args:
            claimed: The rows.
            endpoint: Their endpoint, as it was when they were claimed.
            known: Its state now; None if no call was made since.

        Returns:
            Its state after these calls.
        """
        if known is not None:
            records.remember(endpoint, known)
        health = claims.health_of(endpoint)
        sending = _Sending(
            claim=claimed,
            endpoint=endpoint,
            secrets=_secrets_of(endpoint),
            health=health,
            waiting=deque(claimed.rows),
        )
        places = 1 if health.is_suspect else min(CALLS_PER_ENDPOINT, len(claimed.rows))
        calls = [asyncio.ensure_future(self._call_all(sending)) for _ in range(places)]
        pending: set[asyncio.Future[None]] = set(calls)
        while pending:
            _, pending = await asyncio.wait(pending, timeout=1.0)
            await self._record(sending)
        if sending.waiting:
            left = partial(records.release, claimed.id, list(sending.waiting))
            await self._database(left)
        return sending.health

    async def _call_all(self, sending: _Sending) -> None:
        """Make one call after the other, until none is left or the endpoint fails."""
        failures_before = sending.health.failures
        while sending.waiting and not (self._stopping or sending.gone):
            now = timezone.now()
            if sending.health.is_open(now) or now > sending.claim.until - LEASE_RESERVE:
                return
            row = sending.waiting.popleft()
            async with self._calls:
                at = timezone.now()
                answer = await self._call(sending, row)
            sending.health = after(answer, sending.health, now=timezone.now())
            sending.gone |= answer.gone
            called = Called(row=row, answer=answer, at=at)
            records.settle(called)
            sending.done.append(called)
            if sending.health.is_suspect and sending.health.failures > failures_before:
                return

    async def _call(self, sending: _Sending, row: Delivery) -> Answer:
        if not sending.secrets:
            return Answer(error=CallError.SECRET_UNREADABLE)
        body = records.body_of(row, external_ids=sending.claim.external_ids)
        timestamp = int(timezone.now().timestamp())
        headers = {
            "webhook-id": str(row.event_id),
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signing.signature(
                event_id=str(row.event_id),
                timestamp=timestamp,
                body=body,
                with_secrets=sending.secrets,
            ),
        }
        correlation_id = row.data.get("correlation_id")
        if correlation_id:
            headers["X-Correlation-ID"] = correlation_id
        return await self._wire.post(sending.endpoint.url, body=body, headers=headers)

    async def _record(self, sending: _Sending) -> None:
        done, sending.done = sending.done, []
        if not done:
            return
        store = partial(
            records.record, sending.claim.id, sending.endpoint, done, health=sending.health
        )
        await self._database(
            lambda: run_until_answered(
                lambda _: store(), what="record webhooks", patience_seconds=PATIENCE_SECONDS
            )
        )


def _secrets_of(endpoint: Endpoint) -> list[str]:
    """Return the secrets that sign now; none if the current one cannot be read."""
    try:
        found = [signing.decrypted(endpoint.secret)]
        until = endpoint.previous_until
        if endpoint.previous_secret and until is not None and until > timezone.now():
            found.append(signing.decrypted(endpoint.previous_secret))
    except UnreadableSecretError:
        log.exception("the secret of a webhook cannot be read", endpoint_id=str(endpoint.pk))
        return []
    return found


_running: dict[int, Dispatcher] = {}
_lock = threading.Lock()


def of_this_process() -> Dispatcher:
    """Return the dispatcher of this process, which is started at the first call."""
    with _lock:
        if os.getpid() not in _running:
            _running[os.getpid()] = Dispatcher()
            _running[os.getpid()].start()
        return _running[os.getpid()]


def stop_of_this_process() -> None:
    """Stop the dispatcher of this process, if there is one."""
    with _lock:
        dispatcher = _running.pop(os.getpid(), None)
    if dispatcher is not None:
        dispatcher.stop()
