"""Every module of the pipeline is in the import contract."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "apps" / "notifications"
# Django loads these itself, and no module of the pipeline imports them.
WITHOUT_LAYER = {"apps", "migrations"}


def layers() -> list[str]:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (contract,) = (one for one in contracts["contracts"] if "containers" in one)
    return [name.strip() for layer in contract["layers"] for name in layer.split("|")]


def modules() -> set[str]:
    names = {
        ".".join(file.relative_to(APP).with_suffix("").parts)
        for file in APP.rglob("*.py")
        if file.name != "__init__.py"
    }
    return {name for name in names if name.partition(".")[0] not in WITHOUT_LAYER}


def test_every_module_is_in_exactly_one_layer() -> None:
    places = {
        name: [layer for layer in layers() if name == layer or name.startswith(f"{layer}.")]
        for name in modules()
    }

    assert {name: found for name, found in places.items() if len(found) != 1} == {}


def test_every_layer_has_a_module() -> None:
    empty = [
        layer
        for layer in layers()
        if not any(name == layer or name.startswith(f"{layer}.") for name in modules())
    ]

    assert empty == []
