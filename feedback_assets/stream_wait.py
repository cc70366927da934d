"""Waiting for the stream to reach an offset, so that what it keeps can be compared with a run."""

from threading import Event

from sqlalchemy import Engine
from sqlmodel import Session

from feedback_ingest.clock import monotonic_s
from feedback_loop.stream.status import StreamStatus, status

LOOK_EVERY_S = 0.1


def wait_for_stream(engine: Engine, upto_offset: int, deadline_s: float) -> StreamStatus:
    """The stream's state once it has reached `upto_offset`, or has stopped, or the deadline has passed."""
    ends = monotonic_s() + deadline_s
    while True:
        with Session(engine) as session:
            found = status(session)
        if found.log_offset >= upto_offset or not found.is_running or monotonic_s() >= ends:
            return found
        Event().wait(LOOK_EVERY_S)
