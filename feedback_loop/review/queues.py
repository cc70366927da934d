"""The queues of a project: each as it was defined last, and `default` where nobody defined it otherwise."""

from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import text
from sqlmodel import Session, col, select

from feedback_ingest.clock import new_id
from feedback_ingest.decisions import REVIEW_QUEUE_DEFINED, Decider
from feedback_ingest.errors import Forbidden, NotFound
from feedback_ingest.log import Fact
from feedback_ingest.receive import refuse
from feedback_loop.learning.reviewing import DEFAULT, ReviewQueue
from feedback_loop.review.folding import tell
from feedback_loop.review.tables import ReviewQueueRow


@dataclass(frozen=True, slots=True)
class ProjectQueues:
    """Read and changed in a session; the caller commits, soon."""

    session: Session
    project_id: int

    def every(self) -> list[ReviewQueue]:
        """By id."""
        wanted = select(ReviewQueueRow).where(ReviewQueueRow.project_id == self.project_id)
        found = {DEFAULT.queue_id: DEFAULT}
        found |= {row.queue_id: _read(row) for row in self.session.exec(wanted.order_by(col(ReviewQueueRow.queue_id)))}
        return [found[name] for name in sorted(found)]

    def get(self, queue_id: str) -> ReviewQueue:
        """The queue; raises NotFound."""
        row = self.session.get(ReviewQueueRow, (self.project_id, queue_id))
        if row is None and queue_id != DEFAULT.queue_id:
            raise NotFound()
        return DEFAULT if row is None else _read(row)

    def of_reviewer(self, queue_id: str, key_id: str) -> ReviewQueue:
        """The queue, for one of its reviewers; raises NotFound, or Forbidden for others."""
        queue = self.get(queue_id)
        if not queue.may_judge(key_id):
            raise Forbidden("The queue names its reviewers, and this key is none of them.")
        return queue

    def of_expert(self, queue_id: str, key_id: str, is_admin: bool) -> ReviewQueue:
        """The queue, for an expert or an administrator; raises NotFound, or Forbidden for others."""
        queue = self.get(queue_id)
        if not (is_admin or queue.is_expert(key_id)):
            raise Forbidden("Only an expert of the queue, or a key with the scope admin, does this.")
        return queue

    def define(self, queue: ReviewQueue, decider: Decider, is_admin: bool, now: datetime) -> bool:
        """Defines a queue, or changes it; True where it was not there. Raises ValidationFailed, or Forbidden."""
        refuse(queue.faults())
        key = {"key": f"review {self.project_id}"}
        self.session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), key)
        row = self.session.get(ReviewQueueRow, (self.project_id, queue.queue_id), populate_existing=True)
        if row is not None:
            self.of_expert(queue.queue_id, decider.actor, is_admin)
            if row.definition == queue.as_data():
                return False
        version = row.version + 1 if row else 1
        body = {"actor": decider.actor, "subject": queue.queue_id, "version": version, "queue": queue.as_data()}
        tell(self.session, [Fact(self.project_id, REVIEW_QUEUE_DEFINED, str(new_id()), body, now)], decider.pepper)
        return row is None


def _read(row: ReviewQueueRow) -> ReviewQueue:
    return msgspec.convert(row.definition, ReviewQueue)
