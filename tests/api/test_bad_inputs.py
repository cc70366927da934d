"""The corpus of bad and odd inputs against the real server, over raw sockets; skipped where it is absent."""

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import Session

from feedback_ingest import keys
from feedback_ingest.clock import utc_now

CORPUS = Path(__file__).parents[2].parent / "shared" / "bad_inputs.py"


@pytest.mark.skipif(not CORPUS.exists(), reason="the corpus is not beside the project")
def test_the_corpus_finds_nothing(served: str, make_key: Callable[..., str], session: Session) -> None:
    """460 inputs: each gets the status and code it should, nothing leaks, and the server is healthy afterwards."""
    given = {
        "ok": make_key("ingest"),
        "revoked": make_key("ingest"),
        "expired": make_key("ingest", expires_at=utc_now() - timedelta(days=1)),
        "readonly": make_key("read"),
    }
    keys.revoke(session, keys.key_id_of(given["revoked"]), utc_now())
    session.commit()
    options = [f"--key-{name}={key}" for name, key in given.items()]

    done = subprocess.run([sys.executable, str(CORPUS), served, *options], capture_output=True, text=True, timeout=300)

    assert done.returncode == 0, done.stdout
