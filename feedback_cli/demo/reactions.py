"""How fast the graph reacts, and where the time goes: from the stream's signal to trigger, training and gate."""

from collections.abc import Callable, Sequence

from feedback_cli.demo.dagster_runs import Run
from feedback_ingest.log import LogRow

STEPS = ("trigger", "run", "training", "decision")


def reactions(facts: Sequence[LogRow], runs: Sequence[Run]) -> list[dict[str, float | None]]:
    """Of each retraining in turn the seconds after the signal at which each of STEPS came; None where it did not.

    The signal is the newest alert about the version before the trigger's answer, or that answer where no alert stood.
    `runs` are the retraining runs that a sensor started, the oldest first; the training begins where its dataset is
    compiled, and the decision is the gate's.
    """
    triggers = [fact for fact in facts if fact.kind == "retraining_triggered"]
    return [_steps(facts, fact, run) for fact, run in zip(triggers, runs, strict=False)]


def told(steps: dict[str, float | None]) -> str:
    """One retraining in a line."""
    return ", ".join(f"{name} +{seconds:.1f}" for name, seconds in steps.items() if seconds is not None)


def _steps(facts: Sequence[LogRow], triggered: LogRow, run: Run) -> dict[str, float | None]:
    def about(*kinds: str) -> list[LogRow]:
        return [
            fact for fact in facts if fact.kind in kinds and fact.body.get("model_name") == triggered.body["model_name"]
        ]

    def first(found: Sequence[LogRow], holds: Callable[[LogRow], bool]) -> float | None:
        return next((each.received_at.timestamp() for each in found if holds(each)), None)

    version = triggered.body["model_version"]
    alerts = [
        fact
        for fact in about("alert_raised")
        if fact.log_offset < triggered.log_offset and fact.body.get("model_version") == version
    ]
    signal_s = (alerts[-1] if alerts else triggered).received_at.timestamp()
    compiled = [fact for fact in about("dataset_compiled") if "actor" not in fact.body]
    dataset = next((fact for fact in compiled if fact.log_offset > triggered.log_offset), None)
    named = dataset.body["dataset_version"] if dataset is not None else ""
    decided_s = first(about("model_promoted", "model_refused"), lambda fact: fact.body.get("dataset_version") == named)
    moments = (triggered.received_at.timestamp(), run.start_s, dataset and dataset.received_at.timestamp(), decided_s)
    return {
        name: None if moment is None else round(moment - signal_s, 2)
        for name, moment in zip(STEPS, moments, strict=True)
    }
