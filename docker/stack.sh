#!/bin/sh
# The real stack without containers: web, workers, scheduler, dead-letter recorder and Flower as
# processes on loopback. What the environment does not say is filled in here.
set -eu
cd "$(dirname "$0")/.."

BIN="$PWD/.venv/bin"
export BIN

# What .env says counts here too, where the environment does not say otherwise.
eval "$("$BIN/python" - <<'PYTHON'
import os
import shlex

from dotenv import dotenv_values

for name, value in dotenv_values(os.environ.get("ENV_FILE", ".env")).items():
    if value is not None and name not in os.environ:
        print(f"export {name}={shlex.quote(value)}")
PYTHON
)"

export PORT="${PORT:-8000}"
export WEB_PROCESSES="${WEB_PROCESSES:-2}"
export EMAIL_WORKERS="${EMAIL_WORKERS:-1}"
export PUSH_WORKERS="${PUSH_WORKERS:-1}"
export WEBHOOK_WORKERS="${WEBHOOK_WORKERS:-1}"
export FLOWER_PORT="${FLOWER_PORT:-5555}"
export FLOWER_ADDRESS=127.0.0.1
[ -z "${FLOWER_BASIC_AUTH:-}" ] || export FLOWER_ADDRESS=0.0.0.0

for name in PORT WEB_PROCESSES EMAIL_WORKERS PUSH_WORKERS WEBHOOK_WORKERS FLOWER_PORT; do
    eval "value=\$$name"
    case "$value" in
        '' | *[!0-9]*) echo "$name must be a whole number, not '$value'." >&2; exit 2 ;;
    esac
done
[ "$WEB_PROCESSES" -ge 1 ] || { echo "WEB_PROCESSES must be at least 1." >&2; exit 2; }

# No process at all where none is wanted; supervisord itself still knows of the program.
export EMAIL_ON=true PUSH_ON=true WEBHOOK_ON=true
[ "$EMAIL_WORKERS" -gt 0 ] || export EMAIL_ON=false
[ "$PUSH_WORKERS" -gt 0 ] || export PUSH_ON=false
[ "$WEBHOOK_WORKERS" -gt 0 ] || export WEBHOOK_ON=false

umask 077
mkdir -p var
export STACK_RUN_DIR="${STACK_RUN_DIR:-$PWD/var/stack.$PORT}"
mkdir -p "$STACK_RUN_DIR"

[ -n "${DATABASE_URL:-}${DATABASE_URL_FILE:-}" ] || docker/services.sh postgresql
[ -n "${BROKER_URL:-}${BROKER_URL_FILE:-}" ] || docker/services.sh rabbitmq
[ -n "${REDIS_URL:-}${REDIS_URL_FILE:-}" ] || docker/services.sh redis
[ -n "${DATABASE_URL_FILE:-}" ] || export DATABASE_URL="${DATABASE_URL:-postgres://notifications:notifications@127.0.0.1:5432/notifications}"
[ -n "${BROKER_URL_FILE:-}" ] || export BROKER_URL="${BROKER_URL:-amqp://guest:guest@127.0.0.1:5672//}"
[ -n "${REDIS_URL_FILE:-}" ] || export REDIS_URL="${REDIS_URL:-redis://127.0.0.1:6379/0}"
export ALLOWED_HOSTS="${ALLOWED_HOSTS:-localhost,127.0.0.1,[::1]}"
export PUBLIC_URL="${PUBLIC_URL:-http://127.0.0.1:$PORT}"
if [ -z "${SECRET_KEY:-}${SECRET_KEY_FILE:-}" ]; then
    # Made once and kept, so that sessions and tokens outlive a restart.
    [ -s var/stack.secret ] || "$BIN/python" -c 'import secrets; print(secrets.token_urlsafe(48))' > var/stack.secret
    SECRET_KEY="$(cat var/stack.secret)"
    export SECRET_KEY
fi

# For commands beside the stack: `. var/stack.env` gives a shell what its processes have. A stack
# with a folder of its own, such as that of `make chaos`, leaves the usual one's alone.
STACK_ENV=var/stack.env
[ "$STACK_RUN_DIR" = "$PWD/var/stack.$PORT" ] || STACK_ENV="$STACK_RUN_DIR/stack.env"
for name in DATABASE_URL BROKER_URL REDIS_URL SECRET_KEY SECRET_KEY_FALLBACKS ALLOWED_HOSTS PUBLIC_URL; do
    eval "value=\${$name:-}"
    [ -z "$value" ] || printf "export %s='%s'\n" "$name" "$value"
done > "$STACK_ENV"

"$BIN/python" manage.py migrate --verbosity 0
"$BIN/python" manage.py declare_queues
echo "The stack starts: API on http://127.0.0.1:$PORT, Flower on http://127.0.0.1:$FLOWER_PORT."
# Flower asks the broker's pages for its page of queues; without them that page is empty.
[ -n "${FLOWER_BROKER_API:-}" ] || "$BIN/python" - <<'PYTHON'
import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

file = os.environ.get("BROKER_URL_FILE")
url = Path(file).read_text(encoding="utf-8").strip() if file else os.environ["BROKER_URL"]
try:
    socket.create_connection((urlsplit(url).hostname or "localhost", 15672), timeout=1).close()
except OSError:
    print(
        "Flower's Broker page shows no queues: RabbitMQ's management plugin does not answer. "
        "`rabbitmq-plugins enable rabbitmq_management` starts it; FLOWER_BROKER_API names another address."
    )
PYTHON
echo "An API key: . $STACK_ENV && .venv/bin/python manage.py notify create-api-key --name NAME"
exec "$BIN/supervisord" --configuration "${STACK_CONF:-docker/stack.conf}"
