"""The deployment files match the code: variables, versions, images, ports, documents."""

import ast
import re
import tomllib
from ipaddress import ip_address, ip_network

import pytest
from packaging.specifiers import SpecifierSet

from tests.contracts.deployment_files import (
    ALL_SERVICES,
    COMPOSE,
    LOOPBACK,
    OUR_SERVICES,
    PRODUCTION,
    PRODUCTION_SERVICES,
    RENDER,
    ROOT,
    SERVICES,
    environment_calls,
)

EXAMPLE_LINE = re.compile(r"^# ([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)
INTERPOLATED = re.compile(r"\$\{([A-Z][A-Z0-9_]*)")


SECRETS = (
    "SECRET_KEY",
    "POSTGRES_PASSWORD",
    "RABBITMQ_PASSWORD",
    "FLOWER_BASIC_AUTH",
    "METRICS_TOKEN",
)
# A proxy listens on ports below 1024.
RIGHTS = {"caddy": ["NET_BIND_SERVICE"]}
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
COMPOSE_TEXT = "".join(
    (ROOT / name).read_text() for name in ("docker-compose.yml", "compose.production.yml")
)


def example() -> dict[str, str]:
    return dict(EXAMPLE_LINE.findall((ROOT / ".env.example").read_text()))


def written(default: ast.expr | None) -> str | None:
    """Return a literal default as written in .env.example, or None for a computed default."""
    if isinstance(default, ast.List) and not default.elts:
        return ""
    if not isinstance(default, ast.Constant):
        return None
    value = default.value
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def test_the_example_lists_exactly_the_variables_that_are_read() -> None:
    read = set(environment_calls())
    scripts = "".join(
        (ROOT / "docker" / name).read_text() for name in ("stack.sh", "entrypoint.sh")
    )
    elsewhere = set(INTERPOLATED.findall(COMPOSE_TEXT + scripts))
    listed = set(example())
    assert read - listed == set()
    assert listed - read - elsewhere == set()
    assert set(INTERPOLATED.findall(COMPOSE_TEXT)) - listed == set()


def test_the_example_shows_the_default_of_the_code() -> None:
    literal = {name: written(default) for name, default in environment_calls().items()}
    literal |= {"EMAIL_PROVIDERS": "sandbox", "PUSH_PROVIDERS": "sandbox"}
    listed = example()
    differing = {
        name: (default, listed[name])
        for name, default in literal.items()
        if default is not None and default != listed[name]
    }
    assert differing == {}


def test_a_variable_of_the_example_is_explained_and_sets_nothing_by_itself() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    for number, line in enumerate(lines):
        assert not line or line.startswith("#"), line
        if EXAMPLE_LINE.match(line):
            assert lines[number - 1].startswith("# "), line


def test_no_secret_is_in_the_files() -> None:
    for name in SECRETS:
        # Given by the operator or made by the service `secrets`, never a default of the file.
        assert set(re.findall(rf"\$\{{{name}\b[^}}]*\}}", COMPOSE_TEXT)) <= {f"${{{name}:-}}"}
        assert f"${{{name}:-}}" in COMPOSE_TEXT
    secret = [
        entry
        for group in (*RENDER["services"], *RENDER["envVarGroups"])
        for entry in group.get("envVars", [])
        if re.search(r"SECRET|PASSWORD|KEY|TOKEN|AUTH|BROKER_URL", entry.get("key", ""))
    ]
    assert secret
    assert [entry for entry in secret if "value" in entry] == []


def test_our_processes_read_their_secrets_from_files() -> None:
    for name in OUR_SERVICES:
        given = SERVICES[name]["environment"]
        for variable in ("SECRET_KEY", "DATABASE_URL", "BROKER_URL", "REDIS_URL", "METRICS_TOKEN"):
            assert given[f"{variable}_FILE"].startswith("/run/notifications/"), name
            assert variable not in given, name


def test_each_server_sees_its_own_secrets_only() -> None:
    readers: dict[str, set[str]] = {}
    for name, service in ALL_SERVICES.items():
        for volume in service.get("volumes", []):
            if volume.startswith("secrets-") and name != "secrets":
                assert volume.endswith(":ro"), name
                readers.setdefault(volume.partition(":")[0], set()).add(name)
    assert readers.pop("secrets-app") == set(OUR_SERVICES)
    assert readers.pop("secrets-postgresql") == {"postgresql", "backup"}
    assert {volume: {volume.removeprefix("secrets-")} for volume in readers} == readers


def test_every_image_is_pinned_to_one_version_and_its_content() -> None:
    named = {name: service["image"] for name, service in ALL_SERVICES.items() if "image" in service}
    base = re.search(r"^ARG PYTHON_IMAGE=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert base is not None
    for name, image in {**named, "Dockerfile": base[1]}.items():
        reference, _, digest = image.partition("@")
        assert re.search(r":v?\d+\.\d+(\.\d+)?(-[a-z0-9.-]+)?$", reference), name
        if not reference.startswith("notifications:"):
            assert re.fullmatch(r"sha256:[0-9a-f]{64}", digest), name


def test_every_volume_and_file_of_the_compose_files_exists() -> None:
    named = {*COMPOSE["volumes"], *PRODUCTION["volumes"]}
    used = set()
    for service in (*ALL_SERVICES.values(), *PRODUCTION_SERVICES.values()):
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).is_file(), source
            elif not source.startswith("${"):
                used.add(source)
    assert used == named


def test_production_leaves_out_what_is_for_trying() -> None:
    for name in ("mailpit", "push-catcher"):
        assert PRODUCTION_SERVICES[name] == {"profiles": ["trying"]}
    for name in OUR_SERVICES:
        given = PRODUCTION_SERVICES[name]["environment"]
        assert (given["MAIL_CATCHER"], given["PUSH_CATCHER"]) == ("", ""), name
        assert given["PUBLIC_URL"].startswith("${PUBLIC_URL:?"), name
        assert given["ALLOWED_HOSTS"].startswith("${ALLOWED_HOSTS:?"), name
    assert PRODUCTION_SERVICES["setup"]["environment"]["FIRST_STEPS"] == ""
    assert PRODUCTION_SERVICES["web"]["ports"] == []


def test_only_the_address_of_the_proxy_is_trusted_and_no_other_container_gets_it() -> None:
    proxy = PRODUCTION_SERVICES["caddy"]["networks"]["front"]["ipv4_address"]
    assert PRODUCTION_SERVICES["web"]["environment"]["TRUSTED_PROXIES"] == proxy
    (pool,) = PRODUCTION["networks"]["front"]["ipam"]["config"]
    address = ip_address(default_of(proxy))
    assert address in ip_network(default_of(pool["subnet"]))
    assert address not in ip_network(default_of(pool["ip_range"]))


def default_of(interpolated: str) -> str:
    """Return the default of ``${NAME:-default}``."""
    return interpolated.partition(":-")[2].removesuffix("}")


def test_an_image_is_built_without_fetching_a_frontend() -> None:
    # The line makes every build ask a registry for the program that reads the file.
    assert not re.search(r"^#\s*syntax=", DOCKERFILE, re.MULTILINE)


def test_the_image_has_bytecode_of_the_standard_library_and_of_the_code() -> None:
    compiled = re.findall(r"python -m compileall (?:[^\n\\]|\\\n)*", DOCKERFILE)
    assert any("stdlib" in command for command in compiled)
    assert any("notifications_project apps docker" in command for command in compiled)


def test_every_port_is_published_on_loopback() -> None:
    for service in (*SERVICES.values(), *LOOPBACK["services"].values()):
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_every_container_is_read_only_and_cannot_gain_privileges() -> None:
    for name, service in ALL_SERVICES.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service.get("cap_add", []) == RIGHTS.get(name, []), name
    assert re.search(r"^USER 10001", (ROOT / "docker" / "Dockerfile").read_text(), re.MULTILINE)


def test_every_container_has_limits_and_a_user_that_is_not_root() -> None:
    for name, service in ALL_SERVICES.items():
        assert service["mem_limit"], name
        assert service["pids_limit"], name
        assert service["logging"]["options"]["max-size"], name
        # The image of ours names its user; `secrets` writes into volumes that belong to root.
        if "build" not in service and name != "caddy":
            assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"]), name


def test_the_image_has_a_python_version_that_the_project_supports() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    image = re.search(r"python:(\d+\.\d+)\.\d+-slim", (ROOT / "docker" / "Dockerfile").read_text())
    assert image is not None
    assert SpecifierSet(project["requires-python"]).contains(image[1])


def test_the_image_contains_what_the_dockerfile_copies_and_nothing_secret() -> None:
    allowed = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copies = re.findall(
        r"^COPY (?!--)(.+) \S+$", (ROOT / "docker" / "Dockerfile").read_text(), re.MULTILINE
    )
    copied = {name for line in copies for name in line.split()}
    assert copied == allowed
    assert all((ROOT / name).exists() for name in allowed)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs"])
def test_every_link_in_the_documents_has_an_existing_target(name: str) -> None:
    place = ROOT / name
    for page in sorted(place.rglob("*.md")) if place.is_dir() else [place]:
        links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
        local = [link for link in links if "://" not in link]
        assert [link for link in local if not (page.parent / link).exists()] == [], page.name


def test_the_system_design_names_every_package_that_was_chosen_and_no_other() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    packages = {re.split(r"[\[<>=]", chosen)[0] for chosen in project["dependencies"]}
    text = (ROOT / "docs" / "system_design.md").read_text()
    _, _, section = text.partition("## Dependencies")
    table, _, _ = section.partition("\n## ")
    cells = re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)[1:]
    named = {name.strip().partition("[")[0] for cell in cells for name in cell.split(",")}
    assert named == packages


def test_the_system_design_names_only_modules_that_exist() -> None:
    text = (ROOT / "docs" / "system_design.md").read_text()
    pipeline = ROOT / "apps" / "notifications"
    places = [pipeline, pipeline / "providers", ROOT / "apps", ROOT / "notifications_project", ROOT]
    places += [ROOT / "apps" / "common"]
    modules = set(re.findall(r"`([a-z_]+(?:/[a-z_]+)*\.py)`", text))
    assert modules
    assert [name for name in modules if not any((place / name).exists() for place in places)] == []
