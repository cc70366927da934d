"""Servers to measure: each application on the server and settings of production, on one database, one at a time."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
DEADLINE_S = 60


@dataclass
class Server:
    """A running server: its port and its process."""

    port: int
    process: psutil.Process

    def family(self) -> list[psutil.Process]:
        """The process with its workers."""
        return [self.process, *self.process.children(recursive=True)]

    def rss_mib(self) -> float:
        """Resident memory of its worker, the largest of them."""
        return max(process.memory_info().rss for process in self.family()) / 2**20


def cpu_s(processes: list[psutil.Process]) -> float:
    """User and system seconds the processes have used, with their ended children."""
    spent = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            spent += times.user + times.system + times.children_user + times.children_system
    return spent


def postgres_family(data_dir: Path) -> list[psutil.Process]:
    """The embedded server's processes."""
    pid = int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
    postmaster = psutil.Process(pid)
    return [postmaster, *postmaster.children(recursive=True)]


def free_port() -> int:
    """A port nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(target: str, environment: dict[str, str], workers: int = 1) -> Iterator[Server]:
    """Serves `target` (module:attribute) until the block ends."""
    port = free_port()
    listener = f"listen('127.0.0.1', {port})"
    program = f"from api.serving import listen, serve; serve({target!r}, {listener}, workers={workers})"
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.DEVNULL
    )
    try:
        _wait(port, process)
        yield Server(port, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    ends_at = time.monotonic() + DEADLINE_S
    while time.monotonic() < ends_at and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2).close()
            return
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass
        time.sleep(0.05)
    raise RuntimeError(f"{port} did not become ready")
