"""Long histories by chance: every kind of feedback about answers that are known, so that every metric moves."""

from datetime import timedelta
from random import Random
from typing import Any

from feedback_ingest.log import LogRow
from tests.learning.worlds import NOON

VERSIONS = ("v1", "v2", "v3")
TIERS = ("pro", "free", 'Größe "L"')


def history(chance: Random, answers: int) -> list[LogRow]:
    """So many inferences, about five times as much feedback, retractions and edits among it, in any order."""
    sent = [_inference(chance, f"r{n}") for n in range(answers)]
    said: list[LogRow] = []
    for n in range(5 * answers):
        said.append(_feedback(chance, _uuid(n), f"r{chance.randrange(answers)}", said))
    sent += said
    chance.shuffle(sent)
    return sent


def _uuid(n: int) -> str:
    return f"0192f0c1-7c1e-7a50-8a3e-{n:012d}"


def _moment(chance: Random) -> Any:
    return NOON + timedelta(microseconds=chance.randrange(40_000_000))


def _segments(chance: Random) -> dict[str, str]:
    named = {"tier": chance.choice(TIERS), "region": chance.choice("ab"), "a=b": "c", "against": "v2"}
    return {name: value for name, value in named.items() if chance.random() < 0.5}


def _inference(chance: Random, request: str) -> LogRow:
    outputs = [
        {"output_id": name, "content": chance.choice("ab"), **({"model_version": of} if of else {})}
        for name, of in zip("ABC", (None, *chance.choices((*VERSIONS, None), k=2)), strict=True)
    ]
    body = {"inference_request_id": request, "model_version": "v1", "inputs": {"prompt": "a or b"}}
    body["outputs"] = outputs[: chance.randint(1, 3)]
    if chance.random() < 0.6:
        body["segments"] = _segments(chance)
    moment = _moment(chance)
    return LogRow(0, 1, "inference", request, moment, moment, body)


def _value(chance: Random) -> tuple[str, dict[str, Any]]:
    better, worse = chance.sample("ABC", 2)
    pair = {"preferred_output_id": better, "tie": chance.random() < 0.3}
    return chance.choice(
        [
            ("explicit_ranking", {"ranking": chance.choice([["B", "A", "C"], [["A", "C"], "B"], ["C", ["A", "B"]]])}),
            ("ground_truth", {"label": chance.choice("ab")}),
            ("explicit_label", {"label": chance.choice("abc")}),
            ("explicit_correction", {"corrected_label": chance.choice("bc")}),
            ("explicit_binary", {"positive": chance.random() < 0.5}),
            ("explicit_rating", {"score": chance.choice([chance.uniform(1, 5), 3])}),
            ("implicit_click", {"item_id": "i", "clicked": chance.random() < 0.7}),
            ("exposure", {"items": [{"item_id": "i", "position": 0}] * chance.randint(1, 3)}),
            ("reward", {"reward": chance.choice([chance.uniform(-9, 9), 2e9, -1e9, 1 / 3])}),
            ("implicit_signal", {"signal": "dwell_time", "value": chance.choice([4.25, True, "x"])}),
            ("preference_pair", pair),
            ("preference_pair", pair | ({"rejected_output_id": worse} if chance.random() < 0.7 else {})),
        ]
    )


def _feedback(chance: Random, name: str, request: str, said: list[LogRow]) -> LogRow:
    kind, value = _value(chance)
    body: dict[str, Any] = {"inference_request_id": request, "model_version": chance.choice(["v1"] * 9 + ["v2"])}
    if said and chance.random() < 0.1:
        kind, value = "retraction", {"retracts": chance.choice(said).id}
    elif said and chance.random() < 0.1:
        body["supersedes"] = chance.choice(said).id
    elif chance.random() < 0.2:
        body["metric"] = chance.choice(["tone", "found", "share_of_it", "nobody_knows"])
    if chance.random() < 0.3:
        body["pass_probability"] = chance.choice([0.1, 0.3, 0.001, 0.2048, chance.uniform(0.01, 1)])
    body |= {"feedback_type": kind, "feedback_value": value}
    if chance.random() < 0.6:
        body["user_context"] = {"segments": _segments(chance), "locale": chance.choice(["de", "en"])}
    moment = _moment(chance)
    return LogRow(0, 1, "feedback", name, moment, moment, body)
