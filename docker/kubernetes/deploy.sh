#!/bin/sh
# Applies an overlay in the order that a release needs: addresses, policies and servers; then the Job
# `setup`, to its end; only then the processes. If `setup` fails, the processes of the release
# before go on as they are.
# usage: docker/kubernetes/deploy.sh DIRECTORY    such as docker/kubernetes/overlays/production
#        SETUP_SECONDS (3600) and ROLLOUT_SECONDS (900) are how long each step may take.
set -eu

OVERLAY="${1:?usage: docker/kubernetes/deploy.sh DIRECTORY, such as docker/kubernetes/overlays/production}"
SETUP_SECONDS="${SETUP_SECONDS:-3600}"
ROLLOUT_SECONDS="${ROLLOUT_SECONDS:-900}"

in_namespace() { kubectl --namespace notifications "$@"; }

say() { printf '=== %s\n' "$*"; }

manifests="$(mktemp)"
trap 'rm -f "$manifests"' EXIT
trap 'exit 1' INT TERM
kubectl kustomize "$OVERLAY" > "$manifests"

in_namespace get secret notifications >/dev/null || {
    echo "There is no Secret for the processes: docs/deployment/kubernetes.md has the command." >&2
    exit 1
}
# Two migrations at once would wait for each other.
running="$(in_namespace get job setup --ignore-not-found --output 'jsonpath={.status.active}')"
[ "${running:-0}" = 0 ] || { echo "The Job setup of another deployment is running." >&2; exit 1; }

say "Addresses, policies and servers"
kubectl apply --filename "$manifests" --selector 'notifications/step!=setup,notifications/step!=processes'
for server in $(in_namespace get statefulset --selector app.kubernetes.io/part-of=notifications --output name); do
    in_namespace rollout status "$server" --timeout "${ROLLOUT_SECONDS}s"
done

say "Migrations and queues"
# A Job cannot be changed, only replaced.
in_namespace delete job setup --ignore-not-found
kubectl apply --filename "$manifests" --selector notifications/step=setup
left="$SETUP_SECONDS"
while :; do
    ended="$(in_namespace get job setup --output 'jsonpath={.status.conditions[?(@.status=="True")].type}')"
    case " $ended " in
        *" Complete "*) break ;;
        *" Failed "*) left=0 ;;
    esac
    if [ "$left" -le 0 ]; then
        in_namespace logs --selector app.kubernetes.io/component=setup --tail 50 --prefix >&2 || true
        echo "The Job setup did not end well. No process was changed." >&2
        exit 1
    fi
    sleep 2
    left=$((left - 2))
done

say "Processes"
kubectl apply --filename "$manifests" --selector notifications/step=processes
for deployment in $(in_namespace get deployment --selector app.kubernetes.io/name=notifications --output name); do
    in_namespace rollout status "$deployment" --timeout "${ROLLOUT_SECONDS}s"
done
say "All processes are those of this release."
