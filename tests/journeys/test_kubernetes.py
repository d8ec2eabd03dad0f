"""A real kubectl renders every overlay, and the schemas of Kubernetes accept the result."""

import functools
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.kubernetes.manifests import FOLDER, OVERLAYS, Object, key, objects, variables

pytestmark = pytest.mark.embedded

# The oldest version with what the manifests use, and the newest one that the package knows.
VERSIONS = ("1.25", "1.37")
# Kubernetes has no schema for these; tests/kubernetes/test_keda.py compares them with the code.
KEDA = "keda.sh/v1alpha1"
REGISTRY = {"production": "registry.example.com/", "keda": "registry.example.com/", "small": ""}


@functools.cache
def rendered(overlay: str) -> list[Object]:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.fail("kubectl is missing: docker/services.sh kubectl")
    done = subprocess.run(  # noqa: S603 - our own arguments.
        [kubectl, "kustomize", str(FOLDER / "overlays" / overlay)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def addresses(overlay: str) -> Object:
    """Return the ConfigMap, whose name ends with a hash."""
    (found,) = (each for each in rendered(overlay) if each["kind"] == "ConfigMap")
    return found


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubernetes_knows_every_field(overlay: str, version: str) -> None:
    checked = [each for each in rendered(overlay) if each["apiVersion"] != KEDA]

    assert checked
    for each in checked:
        kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_variables_are_merged_into_one_map(overlay: str) -> None:
    assert addresses(overlay)["data"] == variables(overlay)
    assert addresses(overlay)["metadata"]["name"].startswith("notifications-")


def as_rendered(overlay: str, value: Any) -> Any:
    """Return a part of the files with the image and the ConfigMap's name that kubectl puts in."""
    if isinstance(value, dict):
        if set(value) == {"configMapRef"}:
            return {"configMapRef": {"name": addresses(overlay)["metadata"]["name"]}}
        return {name: as_rendered(overlay, part) for name, part in value.items()}
    if isinstance(value, list):
        return [as_rendered(overlay, part) for part in value]
    if isinstance(value, str) and value.startswith("notifications:"):
        return REGISTRY[overlay] + value
    return value


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubectl_renders_what_the_other_tests_read(overlay: str) -> None:
    """So they hold for what is applied, whichever kubectl resolves the references of the files."""
    found = {key(each): each for each in rendered(overlay) if each["kind"] != "ConfigMap"}
    read = objects(overlay)

    assert set(found) == set(read)
    for one, each in read.items():
        assert found[one].get("spec") == as_rendered(overlay, each.get("spec")), one
        assert found[one]["metadata"].get("labels") == each["metadata"].get("labels"), one


def references(value: Any) -> Iterator[str]:
    """Yield the name of every ConfigMap that an object refers to."""
    if isinstance(value, dict):
        if "configMapRef" in value:
            yield value["configMapRef"]["name"]
        for part in value.values():
            yield from references(part)
    elif isinstance(value, list):
        for part in value:
            yield from references(part)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_everything_is_in_one_namespace_and_refers_to_what_is_there(overlay: str) -> None:
    for each in rendered(overlay):
        if each["kind"] != "Namespace":
            assert each["metadata"]["namespace"] == "notifications", key(each)
    named = set(references(rendered(overlay)))
    assert named == {addresses(overlay)["metadata"]["name"]}
