"""The worker: takes new examples of every model that serves, and lets the increments that earn it take its place."""

from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from sqlmodel import Session, select

from feedback_assets.incremental.follower import Follower, example_of
from feedback_assets.jobs import retrain
from feedback_assets.resources import LogResource
from feedback_assets.sensors.pace import is_running
from feedback_ingest.clock import monotonic_s, utc_now
from feedback_loop.learning.gate_checks import Limits
from feedback_loop.learning.incremental_learners import collect
from feedback_loop.learning.increments import decide, increment_name
from feedback_loop.learning.training import TrainedModel
from feedback_loop.registry.champions import ChampionMoved, promote
from feedback_loop.registry.pruning import prune_increments
from feedback_loop.registry.shelf import RegisteredModel, follow_alias, register
from feedback_loop.registry.tables import Champion
from feedback_loop.stream.queue.following import examples_after, newest_place

PIECE = 1_000
SEED = 0


@dataclass
class Worker:
    """Follows the queue for as long as it is asked to `step`."""

    log: LogResource
    instance: dg.DagsterInstance
    learner: str
    every_s: float
    """So many seconds at least lie between two increments of a model."""
    _followers: dict[tuple[int, str], Follower] = field(default_factory=dict)
    _served_at_s: dict[tuple[int, str], float] = field(default_factory=dict)

    def step(self) -> int:
        """Learns what is new; how many examples that were."""
        with self.log.session() as session:
            serving = [Champion(**row.model_dump()) for row in session.exec(select(Champion)).all()]
        return sum(self._follow(champion) for champion in serving)

    def _follow(self, champion: Champion) -> int:
        key = (champion.project_id, champion.model_name)
        with self.log.session() as session:
            follower = self._followers.get(key) or self._begun(session, *key)
            found = examples_after(session, *key, follower.place, PIECE)
        if not found:
            return 0
        follower.place = (found[-1]["ready_offset"], found[-1]["log_offset"])
        follower.take([example_of(row) for row in found])
        now_s = monotonic_s()
        is_due = now_s - self._served_at_s.get(key, -self.every_s) >= self.every_s
        if len(found) < PIECE and is_due and not champion.is_held:
            self._served_at_s[key] = now_s
            self._offer(follower, champion)
        return len(found)

    def _begun(self, session: Session, project_id: int, model_name: str) -> Follower:
        """A follower that is to learn the newest rows first: what it knows is in the log and nowhere else."""
        learner = collect()[self.learner](SEED)
        share = self.log.settings.golden_share
        wanted = int(learner.replay / (1 - share))
        follower = Follower(learner, share, newest_place(session, project_id, model_name, wanted))
        self._followers[project_id, model_name] = follower
        return follower

    def _offer(self, follower: Follower, champion: Champion) -> None:
        """Lets the increment serve where it earns it; while a full retraining is at work it waits for its outcome."""
        is_own = champion.model_version == follower.served_version
        if follower.serving is not None and not is_own:  # a full retraining, a rule or a person put another there
            follower.serving = None
            follower.answered.clear()
            return
        model = follower.renewed()
        if model is None:
            return
        limits = Limits(latency_ms=self.log.settings.gate_latency_ms)
        verdict = decide([each for each, _ in follower.answered], is_own, follower.findings(model, limits))
        if verdict.serves and not is_running(self.instance, retrain.name):
            self._serve(follower, champion, model, verdict.reason)

    def _serve(self, follower: Follower, champion: Champion, model: TrainedModel, reason: str) -> None:
        upto = follower.place[0]
        registered = register(
            self.log.database,
            self.log.settings,
            champion.model_name,
            model.to_bytes(),
            increment_name(champion.model_version, upto),
            {},
            {"chosen": model.chosen, "seed": SEED, "rows": model.rows, "reason": reason},
            {"log_offset": str(upto)},
            champion.project_id,
        )
        try:
            with self.log.session() as session:
                promote(
                    session,
                    registered,
                    reason,
                    utc_now(),
                    self.log.pepper,
                    evaluation={"log_offset": upto, "rows": model.rows},
                    instead_of=champion.model_version,
                )
        except ChampionMoved:  # a full retraining was faster; the next increment is compared with that one
            return
        follower.serving, follower.served_version = model, registered.model_version
        self._tell(registered, reason, upto)
        kept = self.log.settings.increments_kept
        prune_increments(self.log.database, champion.project_id, champion.model_name, kept)

    def _tell(self, registered: RegisteredModel, reason: str, upto: int) -> None:
        follow_alias(self.log.database, registered.project_id, registered.model_name, registered.model_version)
        told: dict[str, Any] = {
            "model_name": registered.model_name,
            "model_version": registered.model_version,
            "reason": reason,
            "log_offset": upto,
        }
        self.instance.report_runless_asset_event(dg.AssetMaterialization("serving_model", metadata=told))
