"""A lean gateway: key check, look-ups, insert, confirmed publish; FastAPI, asyncpg, aio-pika.

Served as ``uvicorn --workers 2 tests.benchmarks.contenders.fastapi_gateway:app`` from .venv-bench.
``python -m tests.benchmarks.contenders.fastapi_gateway`` creates its tables and its queue.
"""

import asyncio
import hashlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID, uuid4

import aio_pika
import asyncpg
from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel, Field

DATABASE_URL = os.environ["CONTENDER_DATABASE_URL"].replace("postgres://", "postgresql://")
BROKER_URL = os.environ["CONTENDER_BROKER_URL"]
QUEUE = "gateway"
CACHE_SECONDS = 5.0
# The number of connections of two processes with eight threads each.
CONNECTIONS = 8

TABLES = """
CREATE TABLE gateway_key (secret_hash text PRIMARY KEY, client text NOT NULL);
CREATE TABLE gateway_user (id uuid PRIMARY KEY, email text NOT NULL);
CREATE TABLE gateway_template (code text PRIMARY KEY, id uuid NOT NULL, version int NOT NULL);
CREATE TABLE gateway_notification (
    id uuid PRIMARY KEY, client text NOT NULL, request_id text, correlation_id text NOT NULL,
    channel text NOT NULL, user_id uuid NOT NULL, template_code text NOT NULL,
    template_version int NOT NULL, template_id uuid NOT NULL, language text NOT NULL,
    variables jsonb NOT NULL, metadata jsonb NOT NULL, priority smallint NOT NULL,
    status text NOT NULL, attempts smallint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (client, request_id)
);
"""
INSERT = """
INSERT INTO gateway_notification (id, client, request_id, correlation_id, channel, user_id,
    template_code, template_version, template_id, language, variables, metadata, priority, status)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'pending')
"""


class NotificationRequest(BaseModel):
    """The body of one request."""

    notification_type: str
    user_id: UUID
    template_code: Annotated[str, Field(max_length=100)]
    variables: dict[str, Any] = {}
    request_id: Annotated[str, Field(max_length=255)] | None = None
    priority: Annotated[int, Field(ge=0, le=9)] = 5
    metadata: dict[str, Any] = {}


class Gateway:
    """The connections of one process, and its cache with a TTL of a few seconds."""

    pool: Any
    exchange: Any

    def __init__(self) -> None:
        self._known: dict[tuple[str, Any], tuple[float, Any]] = {}

    async def look_up(self, query: str, value: Any) -> Any:
        """Return a row, from the cache if it was read recently."""
        found = self._known.get((query, value))
        if found is not None and found[0] > time.monotonic():
            return found[1]
        row = await self.pool.fetchrow(query, value)
        self._known[query, value] = (time.monotonic() + CACHE_SECONDS, row)
        return row


gateway = Gateway()


@asynccontextmanager
async def lifespan(_: Any) -> AsyncIterator[None]:
    """Open the connections of the process once."""
    gateway.pool = await asyncpg.create_pool(
        DATABASE_URL, min_size=CONNECTIONS, max_size=CONNECTIONS
    )
    broker = await aio_pika.connect_robust(BROKER_URL)
    channel = await broker.channel(publisher_confirms=True)
    gateway.exchange = channel.default_exchange
    yield
    await broker.close()
    await gateway.pool.close()


async def accept(
    request: NotificationRequest, authorization: Annotated[str, Header()]
) -> dict[str, Any]:
    """Check, look up, insert, publish and answer."""
    digest = hashlib.sha256(authorization.removeprefix("Api-Key ").encode()).hexdigest()
    key = await gateway.look_up("SELECT * FROM gateway_key WHERE secret_hash = $1", digest)
    if key is None:
        raise HTTPException(401)
    user = await gateway.look_up("SELECT * FROM gateway_user WHERE id = $1", request.user_id)
    template = await gateway.look_up(
        "SELECT * FROM gateway_template WHERE code = $1", request.template_code
    )
    if user is None or template is None:
        raise HTTPException(422)
    pk, correlation_id = uuid4(), uuid4().hex
    await gateway.pool.execute(
        INSERT,
        pk,
        key["client"],
        request.request_id,
        correlation_id,
        request.notification_type,
        request.user_id,
        request.template_code,
        template["version"],
        template["id"],
        "en",
        json.dumps(request.variables),
        json.dumps(request.metadata),
        request.priority,
    )
    message = aio_pika.Message(
        json.dumps({"id": str(pk)}).encode(), delivery_mode=aio_pika.DeliveryMode.PERSISTENT
    )
    await gateway.exchange.publish(message, QUEUE)
    return {"id": str(pk), "status": "pending", "correlation_id": correlation_id}


app = FastAPI(lifespan=lifespan, openapi_url=None)
app.add_api_route("/accept", accept, methods=["POST"], status_code=202)


async def prepare(key: str, template_code: str, user_ids: list[str]) -> None:
    """Create the tables, the rows that the requests need, and the queue."""
    database = await asyncpg.connect(DATABASE_URL)
    await database.execute(TABLES)
    digest = hashlib.sha256(key.encode()).hexdigest()
    await database.execute("INSERT INTO gateway_key VALUES ($1, 'shop')", digest)
    await database.execute(
        "INSERT INTO gateway_template VALUES ($1, $2, 1)", template_code, uuid4()
    )
    await database.executemany(
        "INSERT INTO gateway_user VALUES ($1, 'somebody@example.com')",
        [(UUID(pk),) for pk in user_ids],
    )
    await database.close()
    async with await aio_pika.connect(BROKER_URL) as broker:
        channel = await broker.channel()
        await channel.declare_queue(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})


if __name__ == "__main__":
    given = json.load(sys.stdin)
    asyncio.run(prepare(given["key"], given["template_code"], given["user_ids"]))
