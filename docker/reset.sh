#!/bin/sh
# Throw away the data of the embedded mode (`make run`): database, secret key, the demo's passwords.
# What `make stack` keeps there stays. Asks first; without a terminal it needs RESET=yes.
set -eu
cd "$(dirname "$0")/.."

found="$(find var -maxdepth 1 \( -name '*.sqlite3*' -o -name 'demo.env' \) 2>/dev/null || true)"
if [ -z "$found" ]; then
    echo "There are no data of the embedded mode under var/."
    exit 0
fi
echo "$found"
if [ "${RESET:-}" != yes ]; then
    printf "Delete these? Nobody can bring them back. [y/N] "
    read -r answer || answer=
    case "$answer" in [yY]|[yY][eE][sS]) ;; *) echo "Nothing was deleted."; exit 0 ;; esac
fi
echo "$found" | while read -r file; do rm -rf -- "$file"; done
