#!/bin/sh
# Stands in for Caddy 2.11: Debian's 2.6 has an older pair of words for `request_buffers`.
set -eu
sed 's/request_buffers \(.*\)/buffer_requests\n\t\tmax_buffer_size \1/' /etc/caddy/Caddyfile > /tmp/Caddyfile
exec /usr/bin/caddy run --config /tmp/Caddyfile --adapter caddyfile
