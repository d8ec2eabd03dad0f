#!/bin/sh
# What a container runs, by its role:
#   web                    the API on PORT (8000), in WEB_PROCESSES processes (2)
#   worker LANE[,LANE...]  deliveries of these lanes, in CONCURRENCY processes (1)
#   scheduler | dead-letter-recorder | flower
#   setup                  migrate and declare the queues, once for each deployment
# Anything else is run as it stands, such as `python manage.py notify doctor`. `after-setup` before a
# role waits until `setup` of this release has migrated, for platforms that start everything at once.
set -eu
cd "$(dirname "$0")/.."

role="${1:-web}"

if [ "$role" = after-setup ]; then
    shift
    role="${1:?after-setup needs a role, such as worker}"
    # As process 1 a shell is not ended by SIGTERM unless it says so.
    trap 'exit 143' TERM INT
    while :; do
        status=0
        python manage.py migrate --check --skip-checks --verbosity=0 || status=$?
        case "$status" in
            0) break ;;
            # Invalid variables stay invalid, however long it waits.
            2) exit 2 ;;
        esac
        echo "Waiting for setup: the schema is not yet that of this release." >&2
        sleep 5 & wait $!
    done
    trap - TERM INT
fi

# For platforms that have no secret files: the provider reads a file.
if [ -n "${FCM_SERVICE_ACCOUNT:-}" ] && [ -z "${FCM_SERVICE_ACCOUNT_FILE:-}" ]; then
    # The file can be read by this user only.
    FCM_SERVICE_ACCOUNT_FILE="$(mktemp)"
    printf '%s' "$FCM_SERVICE_ACCOUNT" > "$FCM_SERVICE_ACCOUNT_FILE"
    export FCM_SERVICE_ACCOUNT_FILE
    unset FCM_SERVICE_ACCOUNT
fi

# For load balancers that ask for the health of a container by its address.
if [ "${ALLOW_OWN_ADDRESS:-false}" = true ]; then
    own="$(getent ahostsv4 "$(hostname)" | cut -d ' ' -f 1 | sort -u | paste -s -d , -)"
    export ALLOWED_HOSTS="${ALLOWED_HOSTS:+$ALLOWED_HOSTS,}$own"
fi

case "$role" in
    web)
        exec python -m notifications_project.web --host 0.0.0.0 --port "${PORT:-8000}" \
            --processes "${WEB_PROCESSES:-2}"
        ;;
    worker)
        lanes="${2:?worker needs its lanes, such as email,email.bulk}"
        exec celery -A notifications_project worker -Q "$lanes" \
            -n "$(echo "$lanes" | tr ',.' '--')@%h" --concurrency "${CONCURRENCY:-1}" \
            --without-gossip --without-mingle
        ;;
    scheduler) exec python manage.py run_scheduler ;;
    dead-letter-recorder) exec python manage.py record_dead_letters ;;
    flower)
        # Flower reads these from the environment only.
        if [ -n "${FLOWER_BASIC_AUTH_FILE:-}" ]; then
            FLOWER_BASIC_AUTH="$(cat "$FLOWER_BASIC_AUTH_FILE")"
            export FLOWER_BASIC_AUTH
        fi
        if [ -n "${FLOWER_BROKER_API_FILE:-}" ]; then
            FLOWER_BROKER_API="$(cat "$FLOWER_BROKER_API_FILE")"
            export FLOWER_BROKER_API
        fi
        # It listens on every address of the container, so never without its login.
        : "${FLOWER_BASIC_AUTH:?Flower needs FLOWER_BASIC_AUTH=name:password}"
        # Of more tasks than these it would remember hundreds of megabytes.
        exec celery -A notifications_project flower --conf=docker/flower.py --max-tasks=5000 --enable_events=False --address=0.0.0.0 --port="${FLOWER_PORT:-5555}"
        ;;
    setup)
        python manage.py migrate --no-input --verbosity 1
        python manage.py declare_queues
        # Set by docker-compose.yml: the addresses that it publishes.
        if [ -n "${FIRST_STEPS:-}" ]; then
            python manage.py notify seed-demo --first-steps
            printf '%s\n' "$FIRST_STEPS"
        fi
        ;;
    *) exec "$@" ;;
esac
