"""A data directory is refused in one line that says what is wrong and what to do, before anything is started."""

import errno
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from feedback_cli.supervision import data_directory, ports
from feedback_cli.supervision.data_directory import AlreadyRunning, DiskFull, claimed
from feedback_ingest.errors import DataDirMismatch, SetupError


class Usage(NamedTuple):
    """As shutil tells it."""

    total: int
    used: int
    free: int


def feedback(*arguments: str, data_dir: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs the command itself."""
    environment = {**os.environ, "FEEDBACK_DATA_DIR": str(data_dir), **variables}
    command = [sys.executable, "-m", "feedback_cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def says_one_line(run: subprocess.CompletedProcess[str], *words: str) -> None:
    """Exit code 1, one line on stderr that holds all `words`, nothing like a stack trace."""
    assert run.returncode == 1, run.stderr
    assert len(run.stderr.strip().splitlines()) == 1, run.stderr
    assert run.stdout == ""
    for word in words:
        assert word in run.stderr


def test_a_directory_is_used_by_one_at_a_time(tmp_path: Path) -> None:
    """A second `feedback up` on it says so and names the process."""
    with claimed(tmp_path):
        second = feedback("up", data_dir=tmp_path)

    says_one_line(second, "is used by another `feedback up`", str(os.getpid()), "FEEDBACK_DATA_DIR")
    with claimed(tmp_path):
        pass


def test_a_directory_of_another_version_is_refused(tmp_path: Path) -> None:
    """The line tells both versions."""
    (tmp_path / "VERSION").write_text("99\n")

    run = feedback("up", data_dir=tmp_path)

    says_one_line(run, "'99'", "FEEDBACK_DATA_DIR")
    with pytest.raises(DataDirMismatch), claimed(tmp_path):
        pass


def test_a_full_disk_is_told_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too little room, or none at all, is one line with what to do."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(100, 93, 7 * 2**20))
    with pytest.raises(DiskFull, match=r"only 7 MiB are free .* make room or set FEEDBACK_DATA_DIR"), claimed(tmp_path):
        pass

    monkeypatch.undo()

    def no_room(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(data_directory, "check_version", no_room)
    with pytest.raises(DiskFull, match="is full; make room"), claimed(tmp_path):
        pass


def test_a_directory_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """A file in its place is one line, too."""
    (tmp_path / "taken").write_text("")

    run = feedback("up", data_dir=tmp_path / "taken")

    says_one_line(run, "cannot use", "FEEDBACK_DATA_DIR")


def test_a_port_in_use_is_named_with_its_setting(tmp_path: Path) -> None:
    """Nothing is started: the line names the port and the variable that changes it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        api = feedback(
            "up", data_dir=tmp_path, FEEDBACK_API_PORT=str(port), FEEDBACK_DAGSTER_PORT="0", FEEDBACK_GRPC_PORT="0"
        )
        dagster = feedback(
            "up", data_dir=tmp_path, FEEDBACK_API_PORT="0", FEEDBACK_DAGSTER_PORT=str(port), FEEDBACK_GRPC_PORT="0"
        )

    says_one_line(api, f"port {port} on 127.0.0.1 is in use", "FEEDBACK_API_PORT")
    says_one_line(dagster, f"port {port} on 127.0.0.1 is in use", "FEEDBACK_DAGSTER_PORT")
    assert not (tmp_path / "postgres").exists()


def test_a_database_url_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    """Neither nonsense nor a server that is not there ends in a stack trace."""
    quiet = {"FEEDBACK_API_PORT": "0", "FEEDBACK_DAGSTER_PORT": "0", "FEEDBACK_GRPC_PORT": "0"}

    nonsense = feedback("up", data_dir=tmp_path, FEEDBACK_DATABASE_URL="nonsense", **quiet)
    nobody = feedback("up", data_dir=tmp_path, FEEDBACK_DATABASE_URL="postgresql://127.0.0.1:1/feedback", **quiet)

    says_one_line(nonsense, "FEEDBACK_DATABASE_URL")
    says_one_line(nobody, "FEEDBACK_DATABASE_URL")


def test_a_recording_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    """`feedback demo --from` reads its input before it starts anything."""
    run = feedback("demo", "--from", str(tmp_path / "nowhere"), data_dir=tmp_path / "data")

    says_one_line(run, "inferences.jsonl.gz", "is not there")
    assert not (tmp_path / "data").exists()


def test_port_zero_picks_a_free_one() -> None:
    """The picked port can be listened on."""
    port = ports.claim("127.0.0.1", 0, "FEEDBACK_API_PORT")

    with socket.create_server(("127.0.0.1", port)):
        assert ports.answers("127.0.0.1", port)
    assert not ports.answers("127.0.0.1", port)


def test_an_address_of_another_machine_is_refused() -> None:
    """An address that is not ours cannot be bound; the line says why."""
    with pytest.raises(SetupError, match="cannot be bound"):
        ports.claim("203.0.113.1", 0, "FEEDBACK_API_PORT")


def test_the_second_claim_in_one_process_is_refused_too(tmp_path: Path) -> None:
    """The lock is on the file, not on the process."""
    with claimed(tmp_path), pytest.raises(AlreadyRunning), claimed(tmp_path):
        pass
