"""Reviewers who work at once, are slow or vanish, and what the tables and the log say of it afterwards."""

import random
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest import log
from feedback_ingest.canonical import Pepper
from feedback_ingest.decisions import Decider
from feedback_ingest.errors import TaskMovedOn
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from feedback_loop.learning.reviewing import ReviewQueue
from feedback_loop.review import claims, judging
from feedback_loop.review.folding import SUBMITTED
from feedback_loop.review.judging import Holding
from feedback_loop.review.opening import NewTask, open_tasks
from feedback_loop.review.queues import ProjectQueues

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
LABELS = ("cat", "cat", "cat", "dog")


class Office:
    """A queue and its reviewers; its clock goes on by a second with every claim."""

    def __init__(self, database: Database, pepper: Pepper, queue: ReviewQueue) -> None:
        self.database, self.pepper, self.queue = database, pepper, queue
        self.late = Counter[str]()
        self._ticks, self._lock = 0, threading.Lock()
        with self.session() as session:
            ProjectQueues(session, 1).define(queue, Decider("boss", pepper), True, START)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction."""
        with Session(self.database.engine) as session:
            yield session
            session.commit()

    def now(self) -> datetime:
        """A second later than the last time."""
        with self._lock:
            self._ticks += 1
            return START + timedelta(seconds=self._ticks)

    def open(self, count: int) -> list[str]:
        """Logs inferences and opens them for review; the tasks' ids."""
        names = [f"i-{uuid.uuid4().hex}" for _ in range(count)]
        facts = []
        for name in names:
            body = {"inference_request_id": name, "model_version": "m1", "inputs": {"n": name}}
            outputs = [{"output_id": "A", "content": {"label": "cat"}}]
            facts.append(Fact(1, "inference", name, {**body, "outputs": outputs}, START))
        with self.session() as session:
            log.append(session, facts, START, self.pepper)
        with self.session() as session:
            wanted = [NewTask(inference_request_id=name) for name in names]
            return list(open_tasks(session, 1, self.queue, wanted, Decider("boss", self.pepper), self.now()))

    def claim(self, reviewer: str) -> Any:
        """The task that a reviewer is given, or None; none is at hand."""
        with self.session() as session:
            lease = claims.Lease(1, reviewer, uuid.uuid4().hex, self.now())
            return claims.claim(session, self.queue, lease, []).task

    def submit(self, reviewer: str, task: Any, label: str) -> str:
        """What became of the task; `late` where the lease was over."""
        held = Holding(1, task["task_id"], reviewer, task["lease_id"])
        try:
            with self.session() as session:
                decider = Decider(reviewer, self.pepper)
                return judging.submit(session, self.queue, held, {"label": label}, decider, self.now()).state
        except TaskMovedOn:
            self.late[reviewer] += 1
            return "late"

    def pass_a_lease(self) -> None:
        """Lets the time of every lease go by, and takes those back that are over."""
        for _ in range(self.queue.lease_s + 1):
            now = self.now()
        with self.session() as session:
            claims.end_leases(session, 1, self.queue.queue_id, now)

    def work(self, people: int) -> None:
        """All of them at once, until there is nothing left; one in five claims is never seen again, some come late."""
        barrier = threading.Barrier(people)

        def one(number: int) -> None:
            dice, reviewer = random.Random(number), f"r{number:03}"
            barrier.wait()
            for _ in range(10_000):
                task = self.claim(reviewer)
                if task is None:
                    return
                if dice.random() < 0.2:
                    self.pass_a_lease()
                    if dice.random() < 0.5:
                        continue
                self.submit(reviewer, task, dice.choice(LABELS))

        with ThreadPoolExecutor(people) as pool:
            list(pool.map(one, range(people)))

    def finish(self, people: int) -> None:
        """Has them work until every lease is over and every label is in."""
        for _ in range(20):
            self.work(people)
            with self.session() as session:
                left = text("SELECT count(*) FROM review_tasks WHERE queue_id = :q AND labels < wanted")
                if session.execute(left, {"q": self.queue.queue_id}).scalar_one() == 0:
                    return
            self.pass_a_lease()
        raise AssertionError("labels are missing")

    def labels(self) -> dict[str, list[str]]:
        """By task who labelled it, as the log tells."""
        found: dict[str, list[str]] = {}
        with self.session() as session:
            mine = text("SELECT task_id FROM review_tasks WHERE queue_id = :q")
            tasks = set(session.execute(mine, {"q": self.queue.queue_id}).scalars())
            for row in log.read(session, 0, 1_000_000, [SUBMITTED]):
                if row.body["subject"] in tasks:
                    found.setdefault(row.body["subject"], []).append(row.body["actor"])
        return found

    def verdicts(self) -> Counter[str]:
        """By task how many verdicts the log holds."""
        with self.session() as session:
            rows = log.read(session, 0, 1_000_000, ["feedback"])
        return Counter(row.body["feedback_value"]["task_id"] for row in rows)
