"""Promotion: whether a candidate takes the champion's place, judged on golden rows that neither was trained on."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from feedback_loop.learning.gate_checks import CASES, Evidence, Finding, Limits, collect

if TYPE_CHECKING:
    import ibis

GOLDEN_ROWS = 400
"""The newest golden rows an evaluation looks at."""

RECENT_ROWS = 100
"""Of these, the ones that stand for the world as it is now."""

FORGETTING = 0.10
"""How much accuracy over all golden rows a candidate may give up for being better on the recent ones."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How often a model was right on golden rows; `row_digest` names the rows, so that only equal sets are compared."""

    model_version: str
    rows: int
    correct: int
    recent_rows: int
    recent_correct: int
    row_digest: str

    @property
    def accuracy(self) -> float:
        """Share right of all rows; 0 where there are none."""
        return self.correct / self.rows if self.rows else 0.0

    @property
    def recent_accuracy(self) -> float:
        """Share right of the recent rows; 0 where there are none."""
        return self.recent_correct / self.recent_rows if self.recent_rows else 0.0


class Verdict(NamedTuple):
    """Whether to promote, and every reason for or against it."""

    promote: bool
    reasons: list[str]
    shadow: bool = False
    """Where it is not promoted: whether it may answer in the champion's shadow until feedback tells."""


def golden_rows(labeled: "ibis.Table", project_id: int, model_name: str, limit: int = GOLDEN_ROWS) -> "ibis.Table":
    """The newest golden rows of a model, newest first, each with inputs or a reference to them.

    They are what both sides of an evaluation are asked.
    """
    golden = labeled.filter(
        labeled.is_golden,
        labeled.inputs.notnull() | labeled.inputs_ref.notnull(),
        labeled.project_id == project_id,
        labeled.model_name == model_name,
    )
    return golden.order_by(golden.feedback_offset.desc()).limit(limit)


def evaluate(
    model_version: str, golden: Sequence[Mapping[str, Any]], answers: Sequence[str | None], recent: int = RECENT_ROWS
) -> Evaluation:
    """Scores `answers` (labels as JSON text; None counts as wrong) against `golden`, whose newest rows come first."""
    right = [row["label"] == answer for row, answer in zip(golden, answers, strict=True)]
    names = "".join(f"{row['feedback_offset']},{row['label']}\n" for row in golden)
    digest = hashlib.sha256(names.encode()).hexdigest()
    return Evaluation(model_version, len(right), sum(right), len(right[:recent]), sum(right[:recent]), digest)


CORRECTED_BY = ("explicit_correction", "review_label")


def past_corrections(
    labeled: "ibis.Table", project_id: int, model_name: str, before_offset: int, limit: int = CASES
) -> "ibis.Table":
    """What people set right before an offset of the log, newest first: the cases that must not go wrong again."""
    cases = labeled.filter(
        labeled.project_id == project_id,
        labeled.model_name == model_name,
        labeled.source_type.isin(CORRECTED_BY),
        ~labeled.correct.fill_null(False),
        labeled.inputs.notnull() | labeled.inputs_ref.notnull(),
        labeled.feedback_offset < before_offset,
    )
    return cases.order_by(cases.feedback_offset.desc()).limit(limit)


def checked(evidence: Evidence, limits: Limits) -> list[Finding]:
    """What every gate check says, by name."""
    return [Finding(name, *check().judge(evidence, limits)) for name, check in collect().items()]


def decide(
    candidate_eval: Evaluation,
    champion_eval: Evaluation,
    findings: Sequence[Finding] = (),
    min_rows: int = 30,
    margin: float = 0.0,
) -> Verdict:
    """Promotes a candidate that is better on the recent golden rows, by more than `margin`, and has not forgotten.

    Recent rows decide, because after a drift the older ones still praise the champion that fails now. Refuses on fewer
    than `min_rows` rows, on a tie, where the two were not asked the same rows, and where any of `findings` failed. With
    too few rows or on a tie it may answer in the shadow: nothing speaks against it.
    """
    failed = [f"{each.check}: {each.reason}" for each in findings if each.outcome == "failed"]
    if candidate_eval.row_digest != champion_eval.row_digest:
        return Verdict(False, ["candidate and champion were not asked the same rows"])
    if candidate_eval.rows < min_rows:
        return Verdict(False, [f"{candidate_eval.rows} of {min_rows} golden rows", *failed], not failed)
    # Rounded, so that .62 against .60 is a gain of .02 and not of .02000000000000002.
    gain = round(candidate_eval.recent_accuracy - champion_eval.recent_accuracy, 9)
    loss = round(champion_eval.accuracy - candidate_eval.accuracy, 9)
    reasons = [
        f"recent accuracy {candidate_eval.recent_accuracy:.3f} against {champion_eval.recent_accuracy:.3f}"
        f" over {candidate_eval.recent_rows} golden rows",
        f"accuracy {candidate_eval.accuracy:.3f} against {champion_eval.accuracy:.3f} over {candidate_eval.rows}",
    ]
    if gain <= margin:
        reasons.append(f"not better by more than {margin}" if margin else "not better")
    if loss > FORGETTING:
        reasons.append(f"forgets: gives up more than {FORGETTING} over all golden rows")
    reasons += failed or [f"{each.check}: {each.reason}" for each in findings if each.outcome == "passed"]
    harmless = loss <= FORGETTING and not failed
    return Verdict(gain > margin and harmless, reasons, 0 <= gain <= margin and harmless)
