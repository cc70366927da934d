"""What a demo found out, as demo.json and as a table; and whether its goals were met."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from feedback_cli.demo import preferences, reactions
from feedback_cli.demo.dagster_runs import GraphState, Run
from feedback_cli.demo.latency import Stages

STATUSES = ("accepted", "duplicate", "conflict", "refused")


@dataclass
class Report:
    """Everything a demo measured; `failures` says in words which goals were missed."""

    scenario: str
    counts: Mapping[str, Mapping[str, int]]
    stored: Mapping[str, int]
    accuracy: dict[str, float | None]
    champion: dict[str, str | None]
    latency_ms: Stages
    runs: list[Run]
    graph: GraphState | None
    retrainings: list[dict[str, Any]]
    links: dict[str, str]
    more: dict[str, Any] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def sums(self) -> Counter[str]:
        """Events by what became of them, inferences and feedback together."""
        total: Counter[str] = Counter(dict.fromkeys(STATUSES, 0))
        for counted in self.counts.values():
            total.update(counted)
        return total

    def as_json(self) -> dict[str, Any]:
        """The content of demo.json."""
        sums = self.sums()
        failed = [run.run_id for run in self.runs if run.status == "FAILURE"]
        return {
            "scenario": self.scenario,
            "sent": sum(sums.values()),
            **{status: sums[status] for status in STATUSES},
            "by_kind": {kind: dict(counted) for kind, counted in self.counts.items()},
            "stored": dict(self.stored),
            "accuracy": self.accuracy,
            "champion": self.champion,
            "latency_ms": self.latency_ms,
            "dagster_runs": {
                "started_by_sensor": sum(run.is_sensor_retraining for run in self.runs),
                "failed": len(failed),
                "failed_ids": failed,
                "total": len(self.runs),
            },
            "graph": None if self.graph is None else vars(self.graph),
            "retrainings": self.retrainings,
            "links": self.links,
            **self.more,
            "goals_met": not self.failures,
            "failures": self.failures,
        }

    def write(self, path: Path) -> None:
        """Leaves demo.json, whole or not at all."""
        half = path.with_suffix(".json.tmp")
        half.write_text(json.dumps(self.as_json(), indent=1, default=str) + "\n")
        half.replace(path)

    def _told(self) -> dict[str, str]:
        """What the gate said last, and what was learnt of preferences where there are any."""
        verdicts = self.more.get("verdicts", [])
        decided = "promoted" if verdicts and verdicts[-1]["is_promoted"] else "refused"
        told = {f"gate: {decided}": "; ".join(verdicts[-1]["reasons"])} if verdicts else {}
        return told | (preferences.rows(self.more["preferences"]) if "preferences" in self.more else {})

    def disagreements(self) -> list[str]:
        """Where the client's sums and the database disagree."""
        found = []
        for kind, counted in self.counts.items():
            for status, stored in (("accepted", kind), ("refused", f"{kind}_refused")):
                known = self.stored.get(stored, 0)
                if counted.get(status, 0) != known:
                    found.append(f"{kind}: {counted.get(status, 0)} {status}, the database holds {known}")
        return found

    def print(self, console: Console) -> None:
        """The table at the end, the links, and what was missed."""
        told = self.as_json()
        table = Table(title=f"feedback demo: {self.scenario}", show_header=False, title_justify="left")
        for name, value in self.accuracy.items():
            table.add_row(f"accuracy {name}", "–" if value is None else f"{value:.3f}")
        table.add_row("champion", f"{self.champion['before']} → {self.champion['after']}")
        sums = " + ".join(f"{told[status]} {status}" for status in STATUSES)
        table.add_row("events sent", f"{told['sent']} = {sums}")
        for stage, figures in self.latency_ms.items():
            table.add_row(f"{stage} (ms)", _percentiles(figures))
        for number, retraining in enumerate(self.retrainings, 1):
            if retraining.get("after_signal_s"):
                table.add_row(f"retraining {number} (s)", reactions.told(retraining["after_signal_s"]))
        runs = told["dagster_runs"]
        table.add_row("retrainings started by a sensor", str(runs["started_by_sensor"]))
        table.add_row("Dagster runs failed", f"{runs['failed']} of {runs['total']}")
        if self.graph is not None:
            table.add_row("assets materialised", f"{len(self.graph.materialised)}")
            checks = len(self.graph.green) + len(self.graph.not_green)
            table.add_row("checks green", f"{len(self.graph.green)} of {checks}")
        for rule, count in self.more.get("quarantined_by_rule", {}).items():
            table.add_row(f"quarantined by {rule}", str(count))
        for name, said in self._told().items():
            table.add_row(name, said)
        for name, link in self.links.items():
            table.add_row(name, link)
        console.print(table)
        for failure in self.failures:
            console.print(f"goal missed: {failure}")


def _percentiles(figures: Mapping[str, Any]) -> str:
    if not figures["count"]:
        return "–"
    return "  ".join(f"{name} {figures[name]:,.1f}" for name in ("p50", "p95", "p99")) + f"  (n {figures['count']:,})"
