"""What deploy/ says can be done, as far as it is known without Docker: it parses, is pinned, and its commands exist."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.architecture.command_lines import parse_command
from tests.architecture.tree import ROOT

DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
LONG_RUNNING = [name for name in SERVICES if name != "migrate"]
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
PINNED = re.compile(r"^[\w./-]+:\d+\.\d+(\.\d+)?(-\w+)+$")


@pytest.mark.parametrize("name", OURS)
def test_the_command_of_every_service_exists(name: str) -> None:
    """Each container runs a command that its program knows, with options it knows."""
    parse_command(OURS[name]["command"])


@pytest.mark.parametrize("words", [["feedback", "no-such-command"], ["feedback", "api", "--no-such-option"]])
def test_a_command_that_does_not_exist_is_noticed(words: list[str]) -> None:
    """The check above can fail."""
    with pytest.raises(Exception, match="(?i)no such (?:command|option)"):
        parse_command(words)


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_every_long_running_service_has_a_health_check(name: str) -> None:
    """Compose can tell whether a service works, by a program that is in its image."""
    words = SERVICES[name]["healthcheck"]["test"]

    assert words[0] == "CMD"
    if words[1] == "python":
        compile(words[3], name, "exec")
    elif name in OURS:
        parse_command(words[1:])


def test_the_expected_services_are_there() -> None:
    """Receiver, stream, PostgreSQL and Dagster's three processes are services of their own."""
    expected = {"postgres", "receiver", "stream", "dagster-code", "dagster-webserver", "dagster-daemon"}

    assert expected <= set(SERVICES)


def test_images_are_pinned() -> None:
    """No image moves by itself: each one names a version and a distribution."""
    images = [service["image"] for service in SERVICES.values() if "build" not in service]
    images += [line.split()[1] for line in DOCKERFILE.splitlines() if line.startswith("FROM ")]

    assert images
    assert all(PINNED.match(image) for image in images), images


def test_nothing_runs_as_root() -> None:
    """The image has a user of its own, and every service says which user it is."""
    users = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)

    assert users
    assert not users[-1].startswith(("root", "0"))
    assert all(str(service.get("user", "root")).split(":")[0] not in {"root", "0"} for service in SERVICES.values())


def test_every_process_of_ours_is_confined() -> None:
    """A read-only file system, no capability, no way to gain one."""
    for name, service in OURS.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name


def test_ports_are_published_on_loopback_only() -> None:
    """Nothing is reachable from another machine until somebody decides so; the database is not published at all."""
    published = [(name, port) for name, service in SERVICES.items() for port in service.get("ports", [])]

    assert published
    assert all(str(port).startswith("127.0.0.1:") for _, port in published), published
    assert "ports" not in SERVICES["postgres"]


def test_no_secret_stands_in_the_file() -> None:
    """The password comes from the environment, and compose refuses to start without it."""
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")

    assert "${POSTGRES_PASSWORD:?" in text
    assert not re.search(r"(?i)password: +(?!\$\{)\S", text)


def test_every_file_that_is_mounted_or_copied_exists() -> None:
    """Bind mounts and COPY lines name files of this project."""
    mounts = [volume.split(":")[0] for service in SERVICES.values() for volume in service["volumes"]]
    mounted = [DEPLOY / mount for mount in mounts if mount.startswith(".")]
    copies = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if re.match(r"COPY (?!--from)", line)]
    copied = [ROOT / name for names in copies for name in names]

    missing = [str(path) for path in [*mounted, *copied] if not path.exists()]

    assert mounted
    assert not missing


def test_the_image_holds_every_room() -> None:
    """What the build may copy is listed, and the list names every room and what the commands read."""
    listed = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    kept = {line[1:] for line in listed if line.startswith("!")}

    needed = {"api", "expectations", "feedback_assets", "feedback_cli", "feedback_ingest", "feedback_loop"}

    assert listed[0] == "*"
    assert needed | {"deploy/dagster", "pyproject.toml", "uv.lock", "README.md", "LICENSE"} <= kept
    assert all((ROOT / name).exists() for name in kept)


def test_dagster_is_set_up_as_feedback_up_does_it() -> None:
    """The containers' dagster.yaml differs only in where files lie, and in that runs start in the code container."""
    generated = importlib.import_module("feedback_cli.supervision.dagster_home").DAGSTER_YAML
    ours = yaml.safe_load((DEPLOY / "dagster" / "dagster.yaml").read_text(encoding="utf-8"))

    shared = {key: value for key, value in ours.items() if key not in {"local_artifact_storage", "compute_logs"}}

    expected = yaml.safe_load(generated)
    del expected["run_launcher"]  # the warm process and its runs know each other by process id: one host only
    assert shared == expected


def test_dagster_finds_the_code_container() -> None:
    """Webserver and daemon look for the code where the service of that name listens."""
    workspace = yaml.safe_load((DEPLOY / "dagster" / "workspace.yaml").read_text(encoding="utf-8"))
    server = workspace["load_from"][0]["grpc_server"]
    command = SERVICES[server["host"]]["command"]

    assert str(server["port"]) == command[command.index("--port") + 1]
    for name in ("dagster-webserver", "dagster-daemon"):
        words = SERVICES[name]["command"]
        path = Path(words[words.index("--workspace") + 1])
        assert (ROOT / path.relative_to("/app")).exists()


def test_dagster_accepts_the_instance_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every class the instance names can be loaded with the settings it is given."""
    from dagster._core.instance.ref import InstanceRef

    (tmp_path / "dagster.yaml").write_bytes((DEPLOY / "dagster" / "dagster.yaml").read_bytes())
    monkeypatch.setenv("FEEDBACK_DAGSTER_STORAGE_URL", "postgresql+psycopg2://nobody@127.0.0.1:1/dagster")

    reference = InstanceRef.from_dir(str(tmp_path))

    assert reference.storage_data is not None
    assert reference.storage_data.class_name == "DagsterPostgresStorage"
    assert reference.compute_logs_data.class_name == "LocalComputeLogManager"
    assert reference.settings["telemetry"] == {"enabled": False}
