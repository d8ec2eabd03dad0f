#!/bin/bash
# Stands in for the program of Mailpit: the server, or its health check, which is cheap there too.
set -eu
if [ "${1:-}" = readyz ]; then
    exec 3<>/dev/tcp/127.0.0.1/8025
else
    exec python3 /mailpit.py
fi
