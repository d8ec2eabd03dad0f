#!/bin/sh
# Deploys a released version: docker/deploy.sh 1.2.3, in a checkout of the tag v1.2.3.
#
#   DEPLOY_URL               where the installation answers, such as https://notify.example.com; required
#   RENDER_DEPLOY_HOOK_URL   deploy hooks of Render's services, with blanks between them; the web service
#                            first, because it migrates
#   DEPLOY_SSH               a server with Docker: user@host, or ssh://user@host:port
#   DEPLOY_SSH_HOST_KEY      its line in known_hosts, as `ssh-keyscan` prints it; any other key is refused
#   DEPLOY_SSH_KEY           the private key for it; without one the agent's keys and the user's own are tried
#   DEPLOY_PATH              the folder on the server, notifications below the home by default
#   IMAGE                    the image without its tag, such as ghcr.io/example/notifications
#   DEPLOY_WAIT_SECONDS      how long to wait for the new version, 900 by default
#
# The workflow `deploy` runs it; docs/deployment/ci_cd.md explains it. No secret is printed, and none is
# an argument of a process.
set -eu
cd "$(dirname "$0")/.."

fail() { echo "Not deployed: $*" >&2; exit "${STATUS:-1}"; }
refuse() { STATUS=2; fail "$@"; }
# Whether a value of one line has this form; grep by itself would look at each line.
has_form() { [ "$(printf '%s' "$2" | wc -l)" -eq 0 ] && printf '%s' "$2" | grep -Eqx "$1"; }

version="${1:-}"
has_form '[0-9]+\.[0-9]+\.[0-9]+' "$version" || refuse "give a version such as 1.2.3."
grep -qx "version = \"$version\"" pyproject.toml || refuse "this is not a checkout of version $version."
[ -n "${RENDER_DEPLOY_HOOK_URL:-}${DEPLOY_SSH:-}" ] || refuse "set RENDER_DEPLOY_HOOK_URL or DEPLOY_SSH."
url="${DEPLOY_URL:-}"
url="${url%/}"
has_form 'https?://[A-Za-z0-9.:_-]+|https?://\[[0-9A-Fa-f:]+\](:[0-9]+)?' "$url" \
    || refuse "DEPLOY_URL must be an address such as https://notify.example.com."
if [ -n "${DEPLOY_SSH:-}" ]; then
    # Each of these becomes an argument of ssh or a word of the server's shell.
    has_form '(ssh://)?[A-Za-z0-9_][A-Za-z0-9_.-]*@[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]+)?' "$DEPLOY_SSH" \
        || refuse "DEPLOY_SSH must be user@host or ssh://user@host:port."
    has_form '[A-Za-z0-9/_][A-Za-z0-9/._-]*' "${DEPLOY_PATH:-notifications}" \
        || refuse "DEPLOY_PATH may have letters, digits and /._- only."
    has_form '[a-z0-9][a-z0-9./_:-]*' "${IMAGE:-}" || refuse "IMAGE must be a name such as ghcr.io/example/notifications."
    [ -n "${DEPLOY_SSH_HOST_KEY:-}" ] || refuse "DEPLOY_SSH_HOST_KEY is missing: an unknown server is not trusted."
fi

umask 077
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

# The address of a hook is its secret, so curl reads it from a file.
call_hook() {
    separator='?'
    case "$1" in *'?'*) separator='&' ;; esac
    printf 'url = "%s%sref=%s"\n' "$1" "$separator" "$commit" > "$work/hook"
    curl --silent --show-error --fail --max-time 60 --request POST --output "$work/answer" \
        --config "$work/hook" 2> "$work/error" && return
    reason="$(sed -n 's/.*returned error: /status /p' "$work/error")"
    fail "Render did not accept the call of hook $number: ${reason:-no answer}."
}

render() {
    commit="$(git rev-parse 'HEAD^{commit}')"
    number=0
    for hook in $RENDER_DEPLOY_HOOK_URL; do
        has_form 'https?://[^"\\]+' "$hook" || refuse "RENDER_DEPLOY_HOOK_URL lists something that is no address."
        number=$((number + 1))
        call_hook "$hook"
        echo "Render accepted hook $number."
    done
}

on_server() {
    set -- -F none -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15 \
        -o StrictHostKeyChecking=yes -o UserKnownHostsFile="$work/known_hosts" \
        -o GlobalKnownHostsFile=/dev/null "$@"
    [ ! -s "$work/key" ] || set -- -o IdentitiesOnly=yes -i "$work/key" "$@"
    ssh "$@"
}

server() {
    path="${DEPLOY_PATH:-notifications}"
    printf '%s\n' "$DEPLOY_SSH_HOST_KEY" > "$work/known_hosts"
    # A key file has to end with a line feed; secrets of a workflow lose it.
    [ -z "${DEPLOY_SSH_KEY:-}" ] || printf '%s\n' "$DEPLOY_SSH_KEY" > "$work/key"

    # The server needs no checkout, only what Compose reads. Its .env is its own and stays.
    git ls-files -z -- '*compose*.yml' docker .env.example > "$work/files"
    tar --create --null --files-from="$work/files" --file="$work/release.tar"
    on_server "$DEPLOY_SSH" "mkdir -p '$path' && tar -x -f - -C '$path'" < "$work/release.tar" \
        || fail "the files could not be copied to the server."

    # Compose names the image notifications:VERSION, whether it was built or, as here, pulled. The old
    # processes go on while `setup` migrates; `up` replaces them and waits until all are healthy.
    on_server "$DEPLOY_SSH" "sh -eu -s -- '$path' '$IMAGE:$version' 'notifications:$version'" <<'SERVER' \
        || fail "a step on the server failed; the lines above say which."
cd "$1"
step() { echo "+ $*"; "$@" < /dev/null; }
step docker pull --quiet "$2"
step docker tag "$2" "$3"
step docker compose pull --quiet --ignore-buildable
step docker compose run --rm --no-TTY setup
step docker compose up --detach --no-build --remove-orphans --wait
SERVER
}

# The document of the API has the version, so an older process that still answers is not taken for the
# new one.
new_version_answers() {
    curl --silent --fail --max-time 10 "$url/api/schema/?format=json" 2>/dev/null \
        | grep -q "\"version\": *\"$version\"" \
        && curl --silent --fail --max-time 10 --output /dev/null "$url/health/ready"
}

[ -z "${RENDER_DEPLOY_HOOK_URL:-}" ] || render
[ -z "${DEPLOY_SSH:-}" ] || server

left="${DEPLOY_WAIT_SECONDS:-900}"
until new_version_answers; do
    [ "$left" -gt 0 ] || fail "version $version does not answer $url/health/ready; the older one may still run."
    left=$((left - 5))
    sleep 5
done
echo "Deployed: version $version is ready on $url."
