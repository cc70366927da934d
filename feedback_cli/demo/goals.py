"""What a demo promises: pure checks over a report, each missed promise one sentence."""

from feedback_cli.demo.report import Report

MAY_LOSE = 0.03
MUST_FALL = 0.15
QUEUE_P99_MS = 1000.0


def missed(report: Report, expects_retraining: bool) -> list[str]:
    """The promises that `report` breaks; empty when the loop closed."""
    runs = report.as_json()["dagster_runs"]
    found = [*report.disagreements()]
    if runs["failed"]:
        found.append(f"{runs['failed']} Dagster runs failed: {', '.join(runs['failed_ids'])}")
    queue = report.latency_ms["durable_to_training_queue"]["p99"]
    if queue is None or queue >= QUEUE_P99_MS:
        found.append(f"durable_to_training_queue p99 is {queue} ms, not below {QUEUE_P99_MS:.0f} ms")
    if not expects_retraining:
        if runs["started_by_sensor"]:
            found.append(f"{runs['started_by_sensor']} retrainings started without drift")
        return found
    if not runs["started_by_sensor"]:
        found.append("no sensor started a retraining")
    if report.champion["before"] == report.champion["after"]:
        found.append("the champion did not move")
    return found


def accuracy_missed(before: float | None, drifted: float | None, after: float | None) -> list[str]:
    """Whether drift hurt and the loop healed it; accuracies 0 to 1, None unmeasured."""
    if before is None or drifted is None or after is None:
        return ["accuracy was not measured before, drifted and after"]
    found = []
    if drifted > before - MUST_FALL:
        found.append(f"drifted accuracy {drifted:.3f} is not {MUST_FALL} below {before:.3f}")
    if after < before - MAY_LOSE:
        found.append(f"accuracy after {after:.3f} is more than {MAY_LOSE} below {before:.3f}")
    return found
