"""What the loop is measured against: river's adaptive random forest, which learns each label of a recording at once."""

from collections.abc import Hashable
from typing import Any

from feedback_cli.demo.prequential import Label, Prequential, answered_label, told_label
from feedback_cli.demo.recording import Recording
from feedback_loop.learning.features import flatten


def online_forest(recording: Recording) -> Prequential:
    """Its answers, judged; a label comes when it came in the recording, and is learnt before the next answer.

    Until it has learnt anything it says what was said then.
    """
    from river.forest import ARFClassifier

    forest, score = ARFClassifier(seed=0), Prequential()
    score.expect(recording.inferences)
    asked: dict[str, dict[Hashable, Any]] = {}
    learnt = False
    for event in recording.events:
        name = event.body["inference_request_id"]
        if event.kind == "inference":
            asked[name] = dict(flatten(event.body["inputs"]).items())
            recorded = answered_label(event.body)
            answer: Label | None = forest.predict_one(asked[name]) if learnt else recorded
            score.answered(name, loop=answer, frozen=recorded)
        elif (label := told_label(event.body)) is not None and name in asked:
            score.told(name, label)
            forest.learn_one(asked.pop(name), label)
            learnt = True
    return score
