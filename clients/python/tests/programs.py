"""Programs that use the client, each in a process of its own against the stub; and the one way a test waits."""

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

from stub_server import Stub

SOURCE = Path(__file__).parent.parent / "src"
PROLOGUE = """
import asyncio, multiprocessing, os, signal, sys, threading, time
from feedback_client import AsyncFeedbackClient, FeedbackClient
SETTINGS = {"model_version": "7", "linger": 30.0}
"""


def environment(stub: Stub) -> dict[str, str]:
    """Where the program finds the package and the server."""
    return {**os.environ, "PYTHONPATH": str(SOURCE), "FEEDBACK_URL": stub.url, "FEEDBACK_KEY": "fk_test"}


def text(program: str) -> str:
    """The program with what every one of them imports."""
    return PROLOGUE + textwrap.dedent(program)


def start(stub: Stub, program: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Starts a program; its output is to be read."""
    command = [sys.executable, "-c", text(program), *arguments]
    return subprocess.Popen(command, env=environment(stub), stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def run(stub: Stub, program: str, *arguments: str) -> str:
    """Runs a program that has to succeed within a minute; what it said."""
    process = start(stub, program, *arguments)
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, err.decode()
    return out.decode() + err.decode()


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Returns once `condition` holds; fails after `seconds`."""
    ends_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends_at, "waited in vain"
        time.sleep(0.005)
