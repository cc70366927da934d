"""The end of a demo: the stream and the graph catch up with the log, then what they made is looked at."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from feedback_cli.demo.observer import Observer, is_of_champions
from feedback_cli.demo.reactions import reactions
from feedback_cli.supervision.system import System
from feedback_loop.learning.increments import is_increment
from feedback_loop.registry import dataset_shelf

CATCH_UP_S = 90.0


def settle(system: System, observer: Observer, is_exiting: bool) -> list[str]:
    """Waits for the stream and one more refresh of the graph; before an exit also lets the last run end well."""
    failures = []
    last_event = observer.view.head
    if not observer.until(lambda: observer.view.stream_at >= observer.view.head, 30.0):
        failures.append(f"the stream is {observer.view.head - observer.view.stream_at} events behind the log")
    if not observer.until(lambda: _has_read(observer, last_event), CATCH_UP_S):
        failures.append("the graph did not catch up with the log")
    if is_exiting:
        system.supervisor.stop_one("daemon")  # no new runs
        if not observer.until(lambda: not observer.active(), CATCH_UP_S):
            failures.append("a Dagster run did not end")
    return failures


def links(system: System, observer: Observer) -> dict[str, str]:
    """Where to look now; the dataset is the newest one that a champion was trained on."""
    found = {
        "asset graph": f"{system.addresses.dagster_url}/asset-groups",
        "API docs": f"{system.addresses.api_url}/docs",
        "dashboard": f"{system.addresses.api_url}/dashboard",
    }
    compiled = [fact for fact in observer.facts if fact.kind == "dataset_compiled" and is_of_champions(fact)]
    if compiled:
        folder = dataset_shelf.root(system.settings.data_dir, compiled[-1].project_id)
        found["dataset"] = str(folder / compiled[-1].body["dataset_version"])
    return found


def _has_read(observer: Observer, offset: int) -> bool:
    """Did a run of the graph end well that read the log at least up to `offset`?"""
    return any(run.status == "SUCCESS" and (run.upto_offset or 0) >= offset for run in observer.runs)


def training_times(
    observer: Observer, serving: Mapping[str, datetime], queued: Mapping[str, int]
) -> dict[str, datetime]:
    """When an app first answered with a model that was trained on a feedback, by feedback_id.

    `serving` is when each version was first served, in that order; `queued` the offset of each training example.
    """
    upto = {
        fact.body["dataset_version"]: fact.body["log_offset"]
        for fact in observer.facts
        if fact.kind == "dataset_compiled"
    }
    learnt = {
        fact.body["model_version"]: fact.body["evaluation"]["log_offset"]
        for fact in observer.facts
        if fact.kind == "model_promoted" and is_increment(fact.body["model_version"])
    }
    datasets = {
        fact.body["model_version"]: fact.body.get("dataset_version")
        for fact in observer.facts
        if fact.kind == "model_promoted"
    }
    served: dict[str, datetime] = {}
    for version, served_at in serving.items():
        last_offset = learnt.get(version) or upto.get(datasets.get(version) or "", 0)
        for feedback_id, offset in queued.items():
            if offset <= last_offset:
                served.setdefault(feedback_id, served_at)
    return served


def retrainings(observer: Observer) -> list[dict[str, Any]]:
    """The sensor's retraining runs in order, each with its seconds, the reason the loop gave, and how fast it came."""
    after_signal_s = reactions(observer.facts, observer.retrainings())
    reasons = [fact.body.get("reason") for fact in observer.facts if fact.kind == "retraining_triggered"]
    return [
        {
            "run_id": run.run_id,
            "sensor": run.sensor,
            "status": run.status,
            "seconds": round(run.end_s - run.start_s, 2) if run.start_s and run.end_s else None,
            "reason": reasons[index] if index < len(reasons) else None,
            "after_signal_s": after_signal_s[index] if index < len(after_signal_s) else None,
        }
        for index, run in enumerate(observer.retrainings())
    ]
