"""The exchange with Label Studio: what is open goes out, what was annotated comes in, as often as anybody asks."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from sqlmodel import Session, col, select

from feedback_ingest.clock import utc_now
from feedback_ingest.decisions import Decider
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.learning.reviewing import Place
from feedback_loop.review.label_studio.pulling import pull, pull_named
from feedback_loop.review.label_studio.pushing import linked, push
from feedback_loop.review.label_studio.server import LabelStudio, LabelStudioAway
from feedback_loop.review.outside.exports import alone, bound
from feedback_loop.review.outside.tables import ReviewPlace

TOOL: Place = "label_studio"
HOOK_PATH = "/v1/integrations/label-studio/webhook"


class Exchanged(NamedTuple):
    """What one exchange of a queue did: tasks sent, and by outcome how many annotations had it."""

    project: str
    queue_id: str
    sent: int
    outcomes: Counter[str]


def exchange(database: Database, settings: Settings, decider: Decider, unread_s: float = 0) -> list[Exchanged]:
    """Every queue that is judged in Label Studio, in turn; one that another process is at is left to that.

    Tasks are looked at that were not for `unread_s` seconds; those that Label Studio tells of are not waited for.

    Raises SetupError without a server in the settings; LabelStudioAway where it refused a queue, after the others.
    """
    with Session(database.engine) as session:
        queues = bound(session, TOOL)
    done, failed = [], []
    with LabelStudio.of(settings) as server:
        for at in queues:
            try:
                with alone(database, at) as is_mine:
                    if is_mine:
                        remote = linked(database, server, at, call_back(settings))
                        sent = push(database, server, at, remote, utc_now())
                        before = utc_now() - timedelta(seconds=unread_s)
                        outcomes = pull(database, server, at, remote, decider, before)
                        done.append(Exchanged(at.project, at.queue.queue_id, sent, outcomes))
            except LabelStudioAway as error:
                failed.append(error)
    if failed:
        raise failed[0]
    return done


def hear(
    database: Database, settings: Settings, decider: Decider, remote: int, remote_ids: Sequence[str]
) -> Counter[str]:
    """Looks at tasks that somebody told of; what was told of them is read there and not believed."""
    with Session(database.engine) as session:
        wanted = select(ReviewPlace).where(ReviewPlace.tool == TOOL, col(ReviewPlace.remote_id) == str(remote))
        places = {(place.project_id, place.queue_id) for place in session.exec(wanted)}
        queues = [at for at in bound(session, TOOL) if (at.project_id, at.queue.queue_id) in places]
    outcomes = Counter[str]()
    with LabelStudio.of(settings) as server:
        for at in queues:
            outcomes += pull_named(database, server, at, remote, remote_ids, decider, utc_now())
    return outcomes


def call_back(settings: Settings) -> tuple[str, str] | None:
    """Where Label Studio tells of annotations, and the secret that it shows; None where the settings do not say."""
    if not (settings.label_studio_callback and settings.label_studio_secret):
        return None
    return settings.label_studio_callback.rstrip("/") + HOOK_PATH, settings.label_studio_secret
