"""KEDA scales the workers of lanes by their lengths, the others and web by processor time."""

import pytest

from apps.notifications.batches.materialize import QUEUED_MESSAGES_MAX
from apps.notifications.broker import topology
from apps.notifications.scheduler.sweep import DEEP_LANE_MESSAGES
from tests.kubernetes.manifests import Object, container, of_kind
from tests.kubernetes.test_processes import cores

SCALED = of_kind("keda", "ScaledObject")
DEPLOYMENTS = of_kind("keda", "Deployment")
BY_PROCESSOR = ("web", "webhooks")


def lanes(scaled: Object) -> dict[str, float]:
    """Return the lanes of a ScaledObject with the messages for each replica."""
    return {
        trigger["metadata"]["queueName"]: float(trigger["metadata"]["value"])
        for trigger in scaled["spec"]["triggers"]
        if trigger["type"] == "rabbitmq"
    }


def test_a_worker_is_scaled_by_exactly_its_lanes() -> None:
    commands = {name: container(each)["args"] for name, each in DEPLOYMENTS.items()}
    workers = {
        name: words[1].split(",") for name, words in commands.items() if words[0] == "worker"
    }

    # Its messages are acknowledged before the calls are made, so its queue never grows.
    assert workers.pop("webhooks") == [topology.WEBHOOKS.name]
    assert {name: list(lanes(SCALED[name])) for name in workers} == workers
    assert set(SCALED) == {*workers, *BY_PROCESSOR}


def test_every_trigger_names_a_lane_and_its_length() -> None:
    for scaled in SCALED.values():
        for trigger in scaled["spec"]["triggers"]:
            if trigger["type"] == "rabbitmq":
                assert trigger["metadata"]["queueName"] in topology.LANES
                assert trigger["metadata"]["mode"] == "QueueLength"
                assert trigger["authenticationRef"] == {"name": "rabbitmq"}


@pytest.mark.parametrize("name", BY_PROCESSOR)
def test_what_has_no_lane_is_scaled_by_what_it_requests(name: str) -> None:
    (trigger,) = SCALED[name]["spec"]["triggers"]
    resources = container(DEPLOYMENTS[name])["resources"]
    asked, most = (cores(resources[part]["cpu"]) for part in ("requests", "limits"))

    assert trigger["type"] == "cpu"
    # More than its limit is never used.
    assert asked * int(trigger["metadata"]["value"]) / 100 < most


def test_a_lane_can_grow_long_enough_for_more_replicas() -> None:
    """The code keeps lanes short, and a value that is never reached would scale nothing."""
    for scaled in SCALED.values():
        for lane, messages in lanes(scaled).items():
            longest = QUEUED_MESSAGES_MAX if topology.is_bulk(lane) else DEEP_LANE_MESSAGES
            # One step above the minimum is reached well before the lane is full.
            assert messages * (scaled["spec"]["minReplicaCount"] + 1) <= longest


def test_the_address_of_the_broker_comes_from_the_secret() -> None:
    authentication = of_kind("keda", "TriggerAuthentication")["rabbitmq"]

    assert authentication["spec"] == {
        "secretTargetRef": [{"parameter": "host", "name": "notifications", "key": "BROKER_URL"}]
    }


def test_a_scaled_deployment_states_no_replicas() -> None:
    for name, scaled in SCALED.items():
        spec = scaled["spec"]
        assert spec["scaleTargetRef"] == {"name": name}
        assert spec["minReplicaCount"] < spec["maxReplicaCount"]
        assert "replicas" not in DEPLOYMENTS[name]["spec"]


def test_the_least_replicas_are_those_of_production() -> None:
    production = of_kind("production", "Deployment")
    for name, scaled in SCALED.items():
        least = scaled["spec"]["minReplicaCount"]
        assert least == production[name]["spec"]["replicas"]
        assert scaled["spec"].get("fallback", {}).get("replicas", least) == least


def test_processes_and_what_scales_them_are_applied_last() -> None:
    for each in (*SCALED.values(), *DEPLOYMENTS.values()):
        assert each["metadata"]["labels"]["notifications/step"] == "processes"
