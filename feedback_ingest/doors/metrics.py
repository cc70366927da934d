"""Which metrics an event may name: the types' own, always, and those a project registered as data."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlmodel import Session, select

from feedback_ingest.doors.tables import RegisteredMetric
from feedback_ingest.envelopes import Shape
from feedback_ingest.errors import Fault, ValidationFailed
from feedback_ingest.feedback_types import collect
from feedback_ingest.feedback_types._base import Number, Slug
from feedback_ingest.postgres import Database

BUILT_IN = {
    "accuracy": ("Share of answers that agree with what turned out or was judged to be right.", "higher", 0.0, 1.0),
    "click_through": ("Share of shown items that were clicked.", "higher", 0.0, 1.0),
    "clicks_per_answer": ("Clicks over answers given, where nobody logs what was shown.", "higher", 0.0, None),
    "correction_rate": ("Corrections over answers given.", "lower", 0.0, None),
    "disagreement": ("Share of pairs of judgements of one answer that differ.", "lower", 0.0, 1.0),
    "mean_reward": ("Mean of the rewards of an environment, on its own scale.", "higher", None, None),
    "reward_score": ("Mean of how good answers are, as a reward model has it.", "higher", 0.0, 1.0),
    "satisfaction": ("Mean of thumbs and ratings, moved to 0..1.", "higher", 0.0, 1.0),
    "volume": ("How much feedback there is.", "none", 0.0, None),
    "win_rate": ("Share of comparisons that a model's answer won.", "higher", 0.0, 1.0),
}


MetricKind = Literal["mean", "share", "per_answer"]


class NewMetric(Shape):
    """A metric as POST /v1/metrics takes it; `low` and `high` bound its values where they are bounded.

    `kind` is what feedback that names it adds up to: the `mean` of its numbers, the `share` of its labels that agree
    with the answer, or how much of it comes `per_answer`. It never changes, because what was counted stays counted.
    """

    metric: Slug
    description: Annotated[str, Meta(min_length=1, max_length=1_000, pattern=r"\S")]
    direction: Literal["higher", "lower", "none"]
    feedback_types: Annotated[list[Slug], Meta(min_length=1, max_length=64)]
    kind: MetricKind = "mean"
    low: Number | UnsetType = UNSET
    high: Number | UnsetType = UNSET

    def faults(self) -> list[Fault]:
        """What is wrong beyond the shape."""
        known = collect()
        unknown = (place for place, name in enumerate(self.feedback_types) if name not in known)
        found = [Fault(f"/feedback_types/{place}", "not-allowed") for place in unknown]
        if self.low is not UNSET and self.high is not UNSET and self.low >= self.high:
            found.append(Fault("/high", "out-of-range"))
        if self.metric in types_of_built_in():
            found.append(Fault("/metric", "built-in"))
        return found


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as it is shown; `direction` says which way is better; None leaves a side of the range open.

    `kind` is that of a registered one; what a built-in one is made of is on its page.
    """

    metric: str
    description: str
    direction: str
    low: float | None
    high: float | None
    feedback_types: list[str]
    built_in: bool
    kind: str | None = None


def types_of_built_in() -> dict[str, list[str]]:
    """The built-in metrics, each with the types that feed it when an event names none."""
    found: dict[str, list[str]] = {name: [] for name in BUILT_IN}
    for name, kind in collect().items():
        found.setdefault(kind.metric, []).append(name)
    return found


def every_metric(session: Session, project_id: int) -> list[Metric]:
    """The built-in metrics and the project's own, by name."""
    shown = []
    for name, types in types_of_built_in().items():
        description, direction, low, high = BUILT_IN.get(name, (f"What {', '.join(types)} says.", "none", None, None))
        shown.append(Metric(name, description, direction, low, high, types, True))
    for row in session.exec(select(RegisteredMetric).where(RegisteredMetric.project_id == project_id)):
        about = row.slug, row.description, row.direction, row.low, row.high, row.feedback_types
        shown.append(Metric(*about, built_in=False, kind=row.kind))
    return sorted(shown, key=lambda metric: metric.metric)


def register(session: Session, project_id: int, metric: NewMetric, now: datetime) -> bool:
    """Registers or changes a metric of the project; the caller commits. True where it is new.

    Raises ValidationFailed where it would become another kind.
    """
    row = session.get(RegisteredMetric, (project_id, metric.metric))
    is_new = row is None
    if row is None:
        row = RegisteredMetric(
            project_id=project_id,
            slug=metric.metric,
            description="",
            direction="",
            kind=metric.kind,
            feedback_types=[],
            registered_at=now,
        )
    if row.kind != metric.kind:
        raise ValidationFailed(faults=(Fault("/kind", "unchangeable"),))
    row.description, row.direction = metric.description, metric.direction
    row.low = None if metric.low is UNSET else metric.low
    row.high = None if metric.high is UNSET else metric.high
    row.feedback_types = sorted(set(metric.feedback_types))
    session.add(row)
    session.flush()
    return is_new


class KnownMetrics:
    """The metrics as this process knows them, so that the door asks nobody; `refresh` brings what others registered."""

    def __init__(self) -> None:
        self._built_in = frozenset(types_of_built_in())
        self._registered: dict[tuple[int, str], frozenset[str]] = {}

    def fault_of(self, project_id: int, metric: str, feedback_type: str) -> str | None:
        """Why an event of the type may not name the metric: `not-registered`, `not-for-this-type`; None: it may."""
        if metric in self._built_in:
            return None
        types = self._registered.get((project_id, metric))
        if types is None:
            return "not-registered"
        return None if feedback_type in types else "not-for-this-type"

    def refresh(self, database: Database) -> None:
        """Reads what is registered now, in every project; raises SQLAlchemyError and then knows what it knew."""
        wanted = select(RegisteredMetric.project_id, RegisteredMetric.slug, RegisteredMetric.feedback_types)
        with Session(database.engine) as session:
            self.learn((row[0], row[1], list(row[2])) for row in session.exec(wanted))

    def learn(self, rows: Iterable[tuple[int, str, list[str]]]) -> None:
        """Knows exactly `rows` of (project_id, metric, feedback types) from now on."""
        self._registered = {(project, name): frozenset(types) for project, name, types in rows}


def shown(metrics: list[Metric]) -> list[dict[str, object]]:
    """The metrics as JSON values."""
    return [msgspec.to_builtins(metric) for metric in metrics]
