"""What a pod may do, and whom it may speak to."""

from ipaddress import ip_address, ip_network

import pytest

from apps.notifications.batches.upload import UPLOAD_MAX_BYTES
from apps.webhooks.addresses import CLOUD_INTERNAL, NEVER_GLOBAL, is_public
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
SMTP, HTTP, HTTPS = {25, 465, 587}, 80, 443
DNS = 53
PUBLIC = ("93.184.215.14", "8.8.8.8", "2606:4700:4700::1111", "2a01:4f8::1")
NOT_PUBLIC = (
    *("10.1.2.3", "172.20.0.1", "192.168.1.1", "100.100.0.1", "127.0.0.1", "169.254.169.254"),
    *("0.0.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fec0::1", "fd00::1"),
    *("ff02::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::1"),
)
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
        # Only workers send, and web tests a provider's connection. Webhooks go over HTTP alone.
        if name == "webhooks":
            assert reached & {*SMTP, HTTP, HTTPS} == {HTTP, HTTPS}
        else:
            sends = role in {"web", "worker"}
            assert reached & {*SMTP, HTTP, HTTPS} == ({*SMTP, HTTPS} if sends else set()), name


def lets_through(block: Object, address: str) -> bool:
    """Return whether an ``ipBlock`` has an address."""
    ip = ip_address(address)
    return ip in ip_network(block["cidr"]) and not any(
        ip in ip_network(network) for network in block.get("except", [])
    )


def first_and_last(network: str) -> list[str]:
    found = ip_network(network)
    return [str(found[0]), str(found[-1])]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_webhook_reaches_the_internet_and_no_private_network(overlay: str) -> None:
    """Client applications choose the addresses, so the policy refuses what the code refuses."""
    labels = pod_labels(processes(overlay)["webhooks"])
    blocks = [
        target["ipBlock"]
        for rule in rules(overlay, labels, "Egress")
        if {port["port"] for port in rule["ports"]} & {HTTP, HTTPS}
        for target in rule["to"]
    ]
    excepted = [network for block in blocks for network in block.get("except", [])]
    addresses = [*PUBLIC, *NOT_PUBLIC]
    addresses += [address for network in excepted for address in first_and_last(network)]
    addresses += [str(network[1]) for network in NEVER_GLOBAL]
    addresses += [str(address) for address in CLOUD_INTERNAL]

    let_through = {each for each in addresses if any(lets_through(one, each) for one in blocks)}
    public = {each for each in addresses if is_public(ip_address(each))}

    assert let_through == public == set(PUBLIC)


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
