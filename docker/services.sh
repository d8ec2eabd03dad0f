#!/bin/sh
# PostgreSQL, RabbitMQ and Redis on loopback. Those that answer are used; the others come from
# Docker where its engine answers, else from Debian's packages.
# usage: docker/services.sh [postgresql|rabbitmq|redis ...]      (without a name: all three)
#        docker/services.sh prometheus nginx pgbouncer nodejs golang chromium kubectl sshd (only installs)
set -eu
cd "$(dirname "$0")/.."

DATABASE=notifications
ROLE=notifications
PASSWORD=notifications
# The tests have virtual hosts of their own, so that they never meet a running stack: one for a run in
# one process, and one for each process of a run with several.
TEST_VHOSTS="${TEST_VHOSTS:-$(
    echo notifications_test
    number=0
    while [ "$number" -lt "${TEST_PROCESSES:-2}" ]; do
        echo "notifications_test_gw$number"
        number=$((number + 1))
    done
)}"
WAIT_SECONDS=60

answers() {
    python3 - "$1" <<'PYTHON'
import socket, sys
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 2).close()
except OSError:
    sys.exit(1)
PYTHON
}

wait_for() {
    name="$1" port="$2" left="$WAIT_SECONDS"
    until answers "$port"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || { echo "$name does not answer on port $port." >&2; exit 1; }
        sleep 1
    done
}

compose() { docker compose -f docker-compose.yml -f docker/loopback.yml "$@"; }

have_docker() { command -v docker >/dev/null 2>&1 && docker info >/dev/null 2>&1; }

# A function of this script may have the program's name, and is not what is looked for.
has_program() { (unset -f "$1"; command -v "$1" >/dev/null 2>&1); }

installed() { dpkg -s "$1" >/dev/null 2>&1; }

install_package() {
    installed "$1" && return
    [ "$(id -u)" = 0 ] || { echo "$1 is not installed; install it, start Docker, or run as root." >&2; exit 1; }
    command -v apt-get >/dev/null || { echo "$1 does not run, and neither Docker nor apt-get is here." >&2; exit 1; }
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$1" >/dev/null
}

psql_admin() {
    # As the superuser: over the socket where this user may become it, else over loopback.
    if [ "$(id -u)" = 0 ] && id postgres >/dev/null 2>&1; then
        su postgres -c "psql -v ON_ERROR_STOP=1 -qtA -d postgres" 
    else
        psql -v ON_ERROR_STOP=1 -qtA -h 127.0.0.1 -U postgres -d postgres
    fi
}

postgresql() {
    if ! answers 5432; then
        if have_docker; then
            compose up -d --wait postgresql
        else
            install_package postgresql
            version="$(basename "$(printf '%s\n' /etc/postgresql/* | sort -V | tail -n 1)")"
            pg_ctlcluster --skip-systemctl-redirect "$version" main start || true
        fi
        wait_for PostgreSQL 5432
    fi
    # In the container the role and the database are there; without a client nothing can be asked.
    command -v psql >/dev/null 2>&1 || return 0
    # The role may make databases, because the tests make theirs.
    if PGPASSWORD="$PASSWORD" psql -qtA -h 127.0.0.1 -U "$ROLE" -d "$DATABASE" -c 'SELECT 1' >/dev/null 2>&1; then
        return
    fi
    psql_admin <<SQL
SELECT format('CREATE ROLE %I LOGIN CREATEDB PASSWORD %L', '$ROLE', '$PASSWORD')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '$ROLE') \gexec
SELECT format('CREATE DATABASE %I OWNER %I', '$DATABASE', '$ROLE')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '$DATABASE') \gexec
SQL
}

rabbitmq() {
    control=rabbitmqctl
    if ! answers 5672; then
        if have_docker; then
            compose up -d --wait rabbitmq
        else
            install_package rabbitmq-server
            rabbitmq-server -detached
        fi
        wait_for RabbitMQ 5672
    fi
    if ! command -v rabbitmqctl >/dev/null 2>&1; then
        { have_docker && [ -n "$(compose ps -q rabbitmq)" ]; } || return 0
        control="compose exec -T rabbitmq rabbitmqctl"
    fi
    $control -q await_startup
    known="$($control -q list_vhosts)"
    for vhost in $TEST_VHOSTS; do
        printf '%s\n' "$known" | grep -qx "$vhost" || $control -q add_vhost "$vhost"
        $control -q set_permissions -p "$vhost" guest '.*' '.*' '.*'
    done
}

redis() {
    answers 6379 && return
    if have_docker; then
        compose up -d --wait redis
    else
        install_package redis-server
        redis-server --daemonize yes --bind 127.0.0.1 --port 6379 --save '' --appendonly no >/dev/null
    fi
    wait_for Redis 6379
}

prometheus() {
    has_program promtool && has_program prometheus && return
    install_package prometheus
}

# These packages would start a server of their own. The file, which Debian documents, forbids it.
install_without_start() {
    policy=/usr/sbin/policy-rc.d
    if [ -e "$policy" ]; then
        policy=
    else
        printf '#!/bin/sh\nexit 101\n' > "$policy"
        chmod +x "$policy"
    fi
    install_package "$1"
    [ -z "$policy" ] || rm -f "$policy"
}

nginx() { [ -x /usr/sbin/nginx ] || install_without_start nginx-light; }

sshd() { [ -x /usr/sbin/sshd ] || install_without_start openssh-server; }

nodejs() { has_program npm || install_package npm; }
golang() { has_program go || install_package golang-go; }

kubectl() { has_program kubectl || install_package kubernetes-client; }

chromium() { has_program chromium || install_package chromium; }

pgbouncer() { [ -x /usr/sbin/pgbouncer ] || install_without_start pgbouncer; }

[ "$#" -gt 0 ] || set -- postgresql rabbitmq redis
for service in "$@"; do
    case "$service" in
        postgresql | rabbitmq | redis) "$service"; echo "$service answers." ;;
        prometheus | nginx | pgbouncer | nodejs | golang | chromium | kubectl | sshd) "$service"; echo "$service is installed." ;;
        *) echo "There is no service called $service." >&2; exit 2 ;;
    esac
done
