#!/bin/sh
# Stands in for the entry point of the official image of Redis, whose server is compiled without
# the protected mode.
set -eu
if [ "$(id -u)" = 0 ]; then
    exec gosu redis "$0" "$@"
fi
if [ "${1:-}" = redis-server ]; then
    exec "$@" --protected-mode no
fi
exec "$@"
