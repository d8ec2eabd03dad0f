#!/bin/sh
# Backups of PostgreSQL: see compose.production.yml.
#   nightly            a dump each day at BACKUP_HOUR (UTC), kept for BACKUP_KEEP_DAYS days
#   now                a dump at once
#   list               the dumps, the newest last
#   check              whether the newest dump is younger than 26 hours
#   restore FILE       replace the content of the database by a dump
set -eu

FOLDER=/var/lib/postgresql/data
NEWEST_MINUTES=1560

PGPASSWORD="$(cat /run/notifications/password)"
export PGPASSWORD

dump() {
    file="$FOLDER/notifications-$(date -u +%Y%m%dT%H%M%SZ).dump"
    # A dump that was cut off never has the name of a whole one.
    pg_dump --format custom --file "$file.part"
    mv "$file.part" "$file"
    echo "wrote $file ($(wc -c < "$file") bytes)"
    find "$FOLDER" -name 'notifications-*.dump' -mmin "+$((BACKUP_KEEP_DAYS * 1440))" -delete
    find "$FOLDER" -name 'notifications-*.part' -mmin +1440 -delete
}

nightly() {
    # A signal ends the wait at once; a shell that is the first process ignores it otherwise.
    trap 'exit 0' TERM INT
    # The first dump shows whether it works, and not only in the night.
    [ -n "$(find "$FOLDER" -name 'notifications-*.dump')" ] || dump
    while :; do
        now="$(date -u +%s)"
        # The same hour of today or tomorrow.
        next=$((now / 86400 * 86400 + BACKUP_HOUR * 3600))
        [ "$next" -gt "$now" ] || next=$((next + 86400))
        sleep "$((next - now))" &
        wait "$!"
        dump || echo "the dump failed; the next one is tried tomorrow" >&2
    done
}

restore() {
    file="$FOLDER/$(basename "$1")"
    [ -f "$file" ] || { echo "There is no $file; list shows them." >&2; exit 1; }
    # In one transaction: it is restored as a whole or stays as it was.
    pg_restore --clean --if-exists --no-owner --single-transaction --exit-on-error \
        --dbname "$PGDATABASE" "$file"
    echo "restored $file"
}

case "${1:-nightly}" in
    nightly) nightly ;;
    now) dump ;;
    list) find "$FOLDER" -name 'notifications-*.dump' | sort ;;
    check) [ -n "$(find "$FOLDER" -name 'notifications-*.dump' -mmin "-$NEWEST_MINUTES")" ] ;;
    restore) restore "${2:?restore needs the name of a dump}" ;;
    *) echo "There is no word $1: nightly, now, list, check, restore." >&2; exit 2 ;;
esac
