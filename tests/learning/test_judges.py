"""Judges: who judges which answer by the order of the log, and that a prompt is read alike by both drivers."""

import ibis
import orjson
import pytest

from feedback_loop.learning.dataset_formats._base import prompt_of
from feedback_loop.learning.enrichers import judged, judgements, judgements_schema, with_judgements
from feedback_loop.learning.judges import Judge, Judges, prompt_in
from feedback_loop.learning.reward_model import RewardModel
from feedback_loop.learning.rows import inference_row
from tests.learning.worlds import answered, at, found

KIND = RewardModel({"please": 1.0, "no": -1.0}, 50)
STRICT = RewardModel({"please": -1.0}, 60, middle=-0.5)
KNOWN = Judges([Judge(1, "default", 20, "r2", STRICT), Judge(1, "default", 10, "r1", KIND)])


@pytest.mark.parametrize(
    ("offset", "project", "version"),
    [(9, 1, None), (10, 1, None), (11, 1, "r1"), (20, 1, "r1"), (21, 1, "r2"), (11, 2, None)],
)
def test_a_judge_is_in_force_for_what_comes_after_it(offset, project, version):
    """From the offset behind its fact to the fact of the next one, in its project only, whatever order they came in."""
    judge = KNOWN.of({"project_id": project, "model_name": "default", "log_offset": offset})

    assert (judge and judge.reward_model_version) == version


def test_an_answer_keeps_the_score_that_it_was_given():
    """The next judge changes nothing of it; 0.5 is as good as what was learnt from, a better one is above."""
    first, second = (inference_row(at(answered("please", inputs="?"), offset)) for offset in (15, 25))

    assert judged(first, KNOWN) == judged(first, Judges([Judge(1, "default", 10, "r1", KIND)]))
    assert judged(first, KNOWN)["reward_score"] == {"reward_score": 0.731059, "reward_model_version": "r1"}
    assert judged(second, KNOWN)["reward_score"] == {"reward_score": 0.377541, "reward_model_version": "r2"}
    assert STRICT.chance("?", "anything else") == 0.622459 and KIND.chance("?", "anything else") == 0.5


def test_what_cannot_be_judged_is_told_as_missing():
    """A label, an answer without its question, a model that is gone: both columns are null, and the row is there."""
    lost = Judges([Judge(1, "default", 10, "r1", None)])
    rows = [
        inference_row(at(answered({"label": "no"}, "label"), 11)),
        inference_row(at(answered("no", "unasked", inputs=None), 12)),
    ]

    said = judgements(rows, KNOWN) + judgements([inference_row(at(answered("no", "lost"), 13))], lost)

    assert [row["inference_request_id"] for row in said] == ["label", "unasked", "lost"]
    assert all(row["reward_score"] is None and row["reward_model_version"] is None for row in said)


def test_a_table_has_its_judgements_beside_it():
    """Also where there are none: the same columns, and whether anybody judged."""
    import pyarrow as pa

    rows = [inference_row(at(answered("no", f"r{offset}"), offset)) for offset in (9, 12)]
    table = ibis.memtable([{"project_id": 1, "inference_request_id": row["inference_request_id"]} for row in rows])
    said = ibis.memtable(pa.Table.from_pylist(judgements(rows, KNOWN), judgements_schema()))

    beside = found(with_judgements(table, said).order_by("inference_request_id"))
    without = found(with_judgements(table, None))

    assert [(row["reward_score"], row["is_judged"]) for row in beside] == [(0.268941, True), (None, False)]
    assert list(without[0]) == list(beside[0]) and not any(row["is_judged"] for row in without)


PROMPTS = [
    "a word",
    {"prompt": "said"},
    {"text": 3, "prompt": None},
    {"input": {"b": 1, "a": [2]}},
    {"x": 1},
    [1, "b"],
    7,
]


def test_a_prompt_is_read_as_the_datasets_read_it():
    """What the reward model was trained on and what it judges is asked in the same words."""
    texts = [orjson.dumps(each).decode() for each in PROMPTS]
    table = ibis.memtable([{"place": place, "inputs": text} for place, text in enumerate(texts)])

    rows = found(table.select("place", prompt=prompt_of(table, None)).order_by("place"))

    assert [prompt_in(text) for text in texts] == [row["prompt"] for row in rows]
