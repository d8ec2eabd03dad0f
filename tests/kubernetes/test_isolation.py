"""What a pod may do, and whom it may speak to."""

import pytest

from apps.notifications.batches.upload import UPLOAD_MAX_BYTES
from tests.kubernetes.manifests import (
    OVERLAYS,
    Object,
    container,
    containers,
    objects,
    of_kind,
    pod,
    pod_labels,
    processes,
    variables,
)

POSTGRESQL, REDIS = 5432, 6379
AMQP = {5671, 5672}
MANAGEMENT = {15671, 15672}
SMTP, HTTPS = {25, 465, 587}, 443
DNS = 53
# Every port of a server that a process has a use for.
SERVERS = {POSTGRESQL, REDIS, *AMQP}


def started(overlay: str) -> dict[str, Object]:
    return of_kind(overlay, "Deployment", "Job", "StatefulSet")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_pod_may_call_the_api_server_or_sees_other_services(overlay: str) -> None:
    for name, each in started(overlay).items():
        spec = pod(each)
        assert spec["serviceAccountName"] in of_kind(overlay, "ServiceAccount")
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["enableServiceLinks"] is False, name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_pod_runs_as_root_or_can_gain_privileges(overlay: str) -> None:
    for name, each in started(overlay).items():
        context = pod(each)["securityContext"]
        assert context["runAsNonRoot"] is True, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for part in containers(each):
            assert part["securityContext"]["allowPrivilegeEscalation"] is False, name
            assert part["securityContext"]["capabilities"] == {"drop": ["ALL"]}, name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_our_processes_have_the_user_of_the_image_and_write_only_to_tmp(overlay: str) -> None:
    for name, each in processes(overlay).items():
        context = pod(each)["securityContext"]
        users = {context[key] for key in ("runAsUser", "runAsGroup", "fsGroup")}
        assert users == {10001}, name
        volumes = {volume["name"]: volume for volume in pod(each)["volumes"]}
        assert "sizeLimit" in volumes["tmp"]["emptyDir"], name
        for part in containers(each):
            assert part["securityContext"]["readOnlyRootFilesystem"] is True, name
            writable = [mount for mount in part["volumeMounts"] if not mount.get("readOnly")]
            assert writable == [{"name": "tmp", "mountPath": "/tmp"}], name  # noqa: S108 - of a pod.


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_namespace_refuses_pods_that_may_do_more(overlay: str) -> None:
    ((name, namespace),) = of_kind(overlay, "Namespace").items()

    assert name == "notifications"
    labels = namespace["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def chosen(selector: Object, labels: dict[str, str]) -> bool:
    """Return whether a label selector chooses these labels."""
    wanted = selector.get("matchLabels", {}).items() <= labels.items()
    for rule in selector.get("matchExpressions", []):
        assert rule["operator"] == "In"
        wanted = wanted and labels.get(rule["key"]) in rule["values"]
    return bool(wanted)


def rules(overlay: str, labels: dict[str, str], direction: str) -> list[Object]:
    """Return the rules of a direction (``Ingress``, ``Egress``) that hold for a pod."""
    return [
        rule
        for policy in of_kind(overlay, "NetworkPolicy").values()
        if chosen(policy["spec"]["podSelector"], labels)
        for rule in policy["spec"].get(direction.lower(), [])
    ]


def ports(overlay: str, name: str, direction: str) -> set[int]:
    labels = pod_labels(started(overlay)[name])
    return {port["port"] for rule in rules(overlay, labels, direction) for port in rule["ports"]}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_pod_may_do_nothing_that_no_policy_allows(overlay: str) -> None:
    policy = of_kind(overlay, "NetworkPolicy")["default-deny"]

    assert policy["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_policy_chooses_a_pod_and_no_rule_is_open(overlay: str) -> None:
    pods = [pod_labels(each) for each in started(overlay).values()]
    for name, policy in of_kind(overlay, "NetworkPolicy").items():
        spec = policy["spec"]
        assert any(chosen(spec["podSelector"], labels) for labels in pods), name
        for direction in ("Ingress", "Egress"):
            given = spec.get(direction.lower(), [])
            assert not given or direction in spec["policyTypes"], name
            side = "from" if direction == "Ingress" else "to"
            # A rule without one of them would allow everybody, or every port.
            assert all(rule[side] and rule["ports"] for rule in given), name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_process_reaches_the_servers_that_it_uses_and_no_others(overlay: str) -> None:
    for name, each in processes(overlay).items():
        reached = ports(overlay, name, "Egress")
        role = container(each)["args"][0]
        assert DNS in reached
        if role == "flower":
            assert reached & (SERVERS | MANAGEMENT) <= AMQP | MANAGEMENT
            assert 5672 in reached
            assert 15672 in reached
        else:
            assert reached & SERVERS >= {POSTGRESQL, REDIS, 5672}, name
            assert reached & MANAGEMENT == set(), name
        # Only workers send, and web tests a provider's connection.
        sends = role in {"web", "worker"}
        assert reached & {*SMTP, HTTPS} == ({*SMTP, HTTPS} if sends else set()), name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_only_web_can_be_called_by_others(overlay: str) -> None:
    called = {name for name in processes(overlay) if ports(overlay, name, "Ingress")}

    # In the small overlay callers come by `kubectl port-forward`.
    assert called == (set() if overlay == "small" else {"web"})


def test_a_bundled_server_lets_in_what_the_processes_may_call() -> None:
    for name, server in of_kind("small", "StatefulSet").items():
        labels = pod_labels(server)
        for process, each in processes("small").items():
            out = {
                port["port"]
                for rule in rules("small", pod_labels(each), "Egress")
                for target in rule["to"]
                if chosen(target.get("podSelector", {"matchLabels": {"": ""}}), labels)
                for port in rule["ports"]
            }
            let_in = {
                port["port"]
                for rule in rules("small", labels, "Ingress")
                for source in rule["from"]
                if chosen(source["podSelector"], pod_labels(each))
                for port in rule["ports"]
            }
            assert out <= let_in, (name, process)


def test_the_ingress_ends_tls_and_takes_the_largest_upload() -> None:
    ingress = of_kind("production", "Ingress")["web"]
    notes = ingress["metadata"]["annotations"]
    limit = UPLOAD_MAX_BYTES // 1024**3

    assert ingress["spec"]["tls"][0]["secretName"] == "notifications-tls"
    assert notes["nginx.org/client-max-body-size"] == f"{limit}g"
    assert notes["nginx.ingress.kubernetes.io/proxy-body-size"] == f"{limit}g"
    assert notes["nginx.ingress.kubernetes.io/proxy-request-buffering"] == "on"
    (path,) = ingress["spec"]["rules"][0]["http"]["paths"]
    assert path["backend"]["service"] == {"name": "web", "port": {"name": "http"}}


def test_only_the_address_of_the_ingress_is_believed() -> None:
    assert variables("production")["TRUSTED_PROXIES"] not in {"", "0.0.0.0/0"}
    assert "TRUSTED_PROXIES" not in variables("small")
    assert ("Ingress", "web") not in objects("small")
