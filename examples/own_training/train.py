"""A nearest-centroid classifier over lists of numbers, trained and asked by the graph through Dagster Pipes.

It knows nothing of this project: it is told where the rows are and where the model goes, and says how it went.
"""

import json
import random
import time
from collections import defaultdict
from pathlib import Path

from dagster_pipes import PipesContext, open_dagster_pipes


def numbers(value: object) -> list[float]:
    """All numbers of an input, in the order in which they stand there."""
    if isinstance(value, dict):
        return [number for name in sorted(value) for number in numbers(value[name])]
    if isinstance(value, list):
        return [number for each in value for number in numbers(each)]
    return [float(value)] if isinstance(value, int | float) else []


def answer(centroids: list[list], given: object) -> object:
    """The label of the nearest centroid."""
    asked = numbers(given)
    return min(centroids, key=lambda each: sum((a - b) ** 2 for a, b in zip(asked, each[1], strict=False)))[0]


def fit(rows: list[dict]) -> list[list]:
    """The mean of each label's inputs, by the rows' weights."""
    sums: dict[str, list[float]] = {}
    weights: dict[str, float] = defaultdict(float)
    for row in rows:
        weighed = [row["weight"] * number for number in numbers(json.loads(row["inputs"]))]
        before = sums.get(row["label"], [0.0] * len(weighed))
        sums[row["label"]] = [a + b for a, b in zip(before, weighed, strict=True)]
        weights[row["label"]] += row["weight"]
    return [[json.loads(label), [each / weights[label] for each in total]] for label, total in sorted(sums.items())]


def train(pipes: PipesContext) -> None:
    """Learns four fifths of the rows, measures on the others, and writes the model that learnt them all."""
    lines = Path(pipes.extras["rows"]).read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    random.Random(pipes.extras["seed"]).shuffle(rows)
    held = rows[: max(len(rows) // 5, 1)]
    learnt = fit(rows[len(held) :])
    right = sum(answer(learnt, json.loads(row["inputs"])) == json.loads(row["label"]) for row in held)
    Path(pipes.extras["model"]).write_text(json.dumps(fit(rows)), "utf-8")
    pipes.report_custom_message({"metrics": {"accuracy": right / len(held), "rows": len(rows)}})


def predict(pipes: PipesContext) -> None:
    """Answers each line of the inputs with a line that holds a label, and says how long the slowest took."""
    centroids = json.loads(Path(pipes.extras["model"]).read_text("utf-8"))
    said, longest_s = [], 0.0
    for line in Path(pipes.extras["inputs"]).read_text("utf-8").splitlines():
        began = time.perf_counter()
        said.append(answer(centroids, json.loads(line)))
        longest_s = max(longest_s, time.perf_counter() - began)
    Path(pipes.extras["answers"]).write_text("".join(f"{json.dumps(label)}\n" for label in said), "utf-8")
    pipes.report_custom_message({"metrics": {"latency_ms": longest_s * 1000}})


if __name__ == "__main__":
    with open_dagster_pipes() as context:
        {"train": train, "predict": predict}[context.extras["task"]](context)
