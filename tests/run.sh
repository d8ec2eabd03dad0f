#!/bin/sh
# Tests, in two runs: in the embedded mode without any server, then on PostgreSQL, RabbitMQ and
# Redis where these answer. With REQUIRE_SERVICES=1 a server that does not answer is a failure.
# The arguments are those of pytest. TEST_PROCESSES is the number of processes of each run (2),
# TEST_PROCESSES_ON_SERVERS that of the second one.
set -eu
cd "$(dirname "$0")/.."

# What the developer's own environment says must not decide what is tested.
for name in $(sed -n 's/^#\{0,1\} \{0,1\}\([A-Z_]*\)=.*/\1/p' .env.example) BROKER_URL DATABASE_URL; do
    unset "$name"
done
export ENV_FILE=/dev/null
SECRET_KEY="$(.venv/bin/python -c 'import secrets; print(secrets.token_urlsafe(48))')"
export SECRET_KEY

echo "=== Tests without servers: SQLite, in-memory broker, in-process cache"
# Nothing is shared in this run, so two processes take half the time. Neighbours in a file go to the
# same process, because what they share is then made once.
processes="${TEST_PROCESSES:-2}"
.venv/bin/pytest --numprocesses "$processes" --dist worksteal "$@"

if ! .venv/bin/python -m tests.services; then
    if [ "${REQUIRE_SERVICES:-}" = 1 ]; then
        echo "=== FAILED: REQUIRE_SERVICES=1, and a server does not answer (make services)."
        exit 1
    fi
    echo "=== NOT RUN: the tests on PostgreSQL, RabbitMQ and Redis (make services starts them)."
    exit 0
fi

echo "=== Tests on PostgreSQL, RabbitMQ and Redis"
eval "$(.venv/bin/python -m tests.services --export)"
processes="${TEST_PROCESSES_ON_SERVERS:-$processes}"
if [ "$processes" -gt 1 ] && ! .venv/bin/python -m tests.services --processes "$processes"; then
    echo "=== IN ONE PROCESS, which takes twice as long: $processes processes need a virtual host and"
    echo "=== a Redis database each (TEST_PROCESSES=$processes make services makes the virtual hosts)."
    processes=1
fi
# With 0, pytest-xdist starts no process, and the servers' shared names are used.
[ "$processes" -gt 1 ] || processes=0
.venv/bin/pytest --numprocesses "$processes" --dist worksteal "$@"
