"""The Kubernetes manifests of an overlay, read without kubectl.

It does what the files need of kustomize; ``tests/journeys/test_kubernetes.py`` compares the result
with that of kubectl.
"""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docker" / "kubernetes"
OVERLAYS = sorted(path.parent.name for path in FOLDER.glob("overlays/*/kustomization.yaml"))
# Where the processes read their secrets.
SECRETS = "/run/secrets/notifications"

Object = dict[str, Any]


def documents(path: Path) -> list[Object]:
    """Return the objects of a file, those of a List one by one."""
    found: list[Object] = []
    for document in yaml.safe_load_all(path.read_text()):
        found += document["items"] if document["kind"] == "List" else [document]
    return found


def kustomization(folder: Path) -> Object:
    read: Object = yaml.safe_load((folder / "kustomization.yaml").read_text())
    return read


def layers(overlay: str) -> list[Path]:
    """Return the folders of an overlay, the base first."""
    folder = FOLDER / "overlays" / overlay
    found = [folder]
    while bases := kustomization(folder).get("bases"):
        (base,) = bases
        folder = (folder / base).resolve()
        found.insert(0, folder)
    return found


@cache
def objects(overlay: str) -> dict[tuple[str, str], Object]:
    """Return every object of an overlay by its kind and name, without the generated ConfigMap."""
    found: dict[tuple[str, str], Object] = {}
    for folder in layers(overlay):
        stated = kustomization(folder)
        for name in stated.get("resources", []):
            for each in documents(folder / name):
                assert key(each) not in found, key(each)
                found[key(each)] = each
        for name in stated.get("patchesStrategicMerge", []):
            for patch in documents(folder / name):
                found[key(patch)] = merged(found[key(patch)], patch)
    return found


def key(each: Object) -> tuple[str, str]:
    return each["kind"], each["metadata"]["name"]


def merged(value: Any, patch: Any) -> Any:
    """Return a value with a patch: null removes, and lists are joined by the names in them."""
    if isinstance(value, dict) and isinstance(patch, dict):
        kept = {name: part for name, part in value.items() if name not in patch}
        given = {
            name: merged(value.get(name), part) for name, part in patch.items() if part is not None
        }
        return kept | given
    if isinstance(value, list) and all(isinstance(part, dict) for part in patch):
        named = {part["name"]: part for part in value}
        for part in patch:
            named[part["name"]] = merged(named.get(part["name"]), part)
        return list(named.values())
    return patch


def variables(overlay: str) -> dict[str, str]:
    """Return the variables of the generated ConfigMap, which every process gets."""
    found: dict[str, str] = {}
    for folder in layers(overlay):
        for generator in kustomization(folder).get("configMapGenerator", []):
            assert generator["name"] == "notifications"
            found |= dict(literal.split("=", 1) for literal in generator["literals"])
    return found


def of_kind(overlay: str, *kinds: str) -> dict[str, Object]:
    return {name: each for (kind, name), each in objects(overlay).items() if kind in kinds}


def processes(overlay: str) -> dict[str, Object]:
    """Return the objects that start our image: the Deployments and the Job."""
    return of_kind(overlay, "Deployment", "Job")


def pod(each: Object) -> Object:
    """Return the specification of the pods that an object starts."""
    spec: Object = each["spec"]["template"]["spec"]
    return spec


def pod_labels(each: Object) -> dict[str, str]:
    labels: dict[str, str] = each["spec"]["template"]["metadata"]["labels"]
    return labels


def container(each: Object) -> Object:
    """Return the only container beside those that run first."""
    (only,) = pod(each)["containers"]
    found: Object = only
    return found


def containers(each: Object) -> list[Object]:
    return [*pod(each).get("initContainers", []), *pod(each)["containers"]]
