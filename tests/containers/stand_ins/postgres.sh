#!/bin/sh
# Stands in for the entry point of the official image of PostgreSQL: the variables that
# docker-compose.yml uses, a start as root (which becomes the server's user) and a start without.
set -eu
if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA"
    chown -R postgres:postgres "$PGDATA" /var/run/postgresql
    exec gosu postgres "$0" "$@"
fi
if [ "${1:-}" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
    umask 077
    passwords="$(mktemp)"
    if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then
        cat "$POSTGRES_PASSWORD_FILE" > "$passwords"
    else
        printf '%s' "${POSTGRES_PASSWORD:?}" > "$passwords"
    fi
    initdb --pgdata "$PGDATA" --username "${POSTGRES_USER:-postgres}" --pwfile "$passwords" \
        --auth-host scram-sha-256 --auth-local trust --encoding UTF8 --locale C.UTF-8
    rm "$passwords"
    echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
    pg_ctl --pgdata "$PGDATA" --wait --options "-c listen_addresses=''" start
    createdb --username "${POSTGRES_USER:-postgres}" "${POSTGRES_DB:-postgres}" || true
    pg_ctl --pgdata "$PGDATA" --wait --mode fast stop
fi
if [ "${1:-}" = postgres ]; then
    shift
    exec postgres -c 'listen_addresses=*' "$@"
fi
exec "$@"
