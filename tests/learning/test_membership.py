"""Membership: every feedback that a recipe looks at ends in one outcome, and the reason is the true one."""

import pytest

from feedback_ingest.errors import ValidationFailed
from feedback_loop.learning import influence
from feedback_loop.learning.membership import OUTCOMES
from feedback_loop.learning.recipes import recipe_of
from tests.learning.compiled import compiled, sources_of
from tests.learning.worlds import answered, at, given

IDS = [f"0192f0c1-7c1e-7a50-8a3e-{n:012d}" for n in range(1_000)]
LATER = "2026-03-02T00:00:00Z"
CONSENT = {"user_id": "p_no", "consent": {"training": False}}


def asked(count, start=1, **body):
    """Inferences r0, r1, …, from offset `start` on."""
    return [at(answered("a", f"r{n}", **body), start + n) for n in range(count)]


def truth(n, offset, **body):
    """A true label of r<n>."""
    more = {"inference_request_id": f"r{n}", **body}
    return at(given("ground_truth", {"label": "b"}, IDS[offset], **more), offset, seconds=float(offset))


def test_each_outcome_has_its_reason():
    """One feedback for every way not to be in a dataset, and one that is."""
    log = [
        *asked(9),
        truth(0, 10),
        truth(99, 11),
        truth(1, 12, model_version="v2"),
        truth(2, 13),
        at(given("retraction", {"retracts": IDS[13]}, IDS[14]), 14),
        truth(3, 15, source={"kind": "code"}),
        truth(4, 16, user_context=CONSENT),
        at(given("explicit_label", {"labels": ["a", "b"]}, IDS[17], inference_request_id="r5"), 17),
        truth(6, 18),
        truth(6, 19),
        truth(7, 20),
    ]
    recipe = {"where": {"source_kinds": ["end_user"]}, "window": {"end": "2026-03-01T12:00:20Z"}}

    outcomes = compiled(sources_of(log), **recipe).outcomes

    assert outcomes == {
        10: "kept",
        11: "pending",
        12: "mismatched",
        13: "undone",
        15: "filtered-out",
        16: "no-consent",
        17: "unusable",
        18: "outranked",
        19: "kept",
        20: "outside-window",
    }
    assert set(outcomes.values()) <= set(OUTCOMES)


def test_what_an_earlier_stage_set_aside_keeps_its_reason():
    """Rules and routes come before: their word stands in the outcome."""
    sources = sources_of([*asked(2), truth(0, 10), truth(1, 11)])
    feedback = sources.feedback
    held = (feedback.log_offset == 10).ifelse("held", None)

    assert compiled(sources._replace(feedback=feedback.mutate(outcome=held))).outcomes == {10: "held", 11: "kept"}


def test_golden_inferences_are_never_in_a_dataset():
    """Half is held out by name, the outcome says so, and a recipe cannot take less than the installation does."""
    log = [*asked(100), *(truth(n, 101 + n) for n in range(100))]

    found = compiled(sources_of(log), golden_share=0.5)

    held = [offset for offset, outcome in found.outcomes.items() if outcome == "golden"]
    assert 30 < len(held) < 70 and len(held) + len(found.rows) == 100
    with pytest.raises(ValidationFailed, match="golden_share"):
        recipe_of({"model_name": "m", "golden_share": 0.1}, 0.2)


def crowd(count):
    """Labels of which one user gave every second."""
    spoken = [truth(n, count + 1 + n, user_context={"user_id": "p_loud" if n % 2 else f"p_{n}"}) for n in range(count)]
    return [*asked(count), *spoken]


def test_nobody_has_more_than_their_part():
    """One user's examples are bounded in number and in share, the newest first, and each that is cut says by what."""
    log = crowd(200)

    found = compiled(sources_of(log), caps={"per_actor": 20, "share": 0.05})
    plain = compiled(sources_of(log), caps={"per_actor": 500, "share": 0.99})

    loud = [row["feedback_offset"] for row in found.rows if row["feedback_offset"] % 2 == 0]
    outcomes = list(found.outcomes.values())
    assert len(plain.rows) == 200
    assert len(loud) <= max(0.05, 2 / 101) * len(found.rows) + 1
    assert outcomes.count("over-actor-cap") == 80 and outcomes.count("over-share-cap") == 20 - len(loud)
    assert loud == [offset for offset in found.outcomes if offset % 2 == 0][-len(loud) :]


@pytest.mark.parametrize("most", [30, 150, 1_000])
def test_the_newest_of_a_table_are_those_that_were_always_kept(most):
    """The training dataset of a model is the same whether its rows are told one by one or all at once."""
    log = crowd(120)

    rows = compiled(sources_of(log), rows=most).rows

    believed = [
        {"feedback_offset": row.log_offset, "source_kind": "end_user", "user_ref": row.body["user_context"]["user_id"],
         "session_id": None}
        for row in log if row.kind == "feedback"
    ]  # fmt: skip
    expected = influence.kept(believed, most)
    assert [row["feedback_offset"] for row in rows] == [row["feedback_offset"] for row in expected]


def test_a_split_keeps_people_together_and_time_apart():
    """By user nobody is on both sides; by time all that is tested came later; each has about its share."""
    spoken = [truth(n, 401 + n, user_context={"user_id": f"p_{n % 40}"}) for n in range(400)]
    sources = sources_of([*asked(400), *spoken])

    by_user = compiled(sources, split={"by": "user", "test_share": 0.3}).rows
    by_time = compiled(sources, split={"by": "time", "test_share": 0.25}).rows

    sides = {side: {(row["feedback_offset"] - 401) % 40 for row in by_user if row["split"] == side}
             for side in ("train", "test")}  # fmt: skip
    assert sides["train"] and sides["test"] and not sides["train"] & sides["test"]
    tested = [row["feedback_offset"] for row in by_time if row["split"] == "test"]
    assert len(tested) == 100 and min(tested) == 701


def test_weights_are_those_that_the_recipe_names():
    """A sampled event stands for as many as its client says; a sampled example for as many as were left out."""
    sources = sources_of([*asked(40), *(truth(n, 41 + n, pass_probability=0.5) for n in range(40))])
    recipe = {"rows": 20, "sampling": {"strategy": "reservoir"}}

    weights = [
        {row["weight"] for row in compiled(sources, **recipe, **more).rows}
        for more in ({}, {"weights": ["sampling"]}, {"weights": []})
    ]

    assert weights == [{4.0}, {2.0}, {1.0}]


def test_silence_is_an_example_where_the_recipe_says_so():
    """An inference that nobody clicked earns what silence earns; without that it is none."""
    outputs = [{"output_id": "A", "content": "a", "item_id": "a", "propensity": 0.5}]
    log = [*asked(3, outputs=outputs)]
    log.append(at(given("implicit_click", {"item_id": "a"}, "f9", inference_request_id="r1"), 9))

    quiet = compiled(sources_of(log), format="bandit", silence=0.0).rows
    loud = compiled(sources_of(log), format="bandit").rows

    assert [(row["inference_offset"], row["reward"], row["action"]) for row in quiet] == [
        (1, 0.0, "a"), (3, 0.0, "a"), (2, 1.0, "a"),
    ]  # fmt: skip
    assert [row["inference_offset"] for row in loud] == [2]


def test_a_transition_knows_what_came_next():
    """A step leads to the next one's state; the last is truncated, unless its reward ended the episode."""
    log = [at(answered("a", f"r{n}", inputs={"at": n}), n + 1) for n in range(4)]
    steps = [("e", 0, False), ("e", 1, True), ("f", 0, False), ("f", 2, False)]
    for n, (episode, step, ends) in enumerate(steps):
        value = {"reward": float(n), "terminal": ends}
        more = {"inference_request_id": f"r{n}", "episode_id": episode, "step": step}
        log.append(at(given("reward", value, f"f{n}", **more), 5 + n))

    rows = compiled(sources_of(log), format="transitions").rows

    told = [(row["state"], row["next_state"], row["terminated"], row["truncated"]) for row in rows]
    assert told == [
        ('{"at":0}', '{"at":1}', False, False),
        ('{"at":1}', None, True, False),
        ('{"at":2}', None, False, True),
        ('{"at":3}', None, False, True),
    ]


@pytest.mark.parametrize(
    ("recipe", "pointer"),
    [
        ({}, "/model_name"),
        ({"model_name": "m", "colour": 1}, "/colour"),
        ({"model_name": "m", "format": "csv"}, "/format"),
        ({"model_name": "m", "rows": 0}, "/rows"),
        ({"model_name": "m", "rows": "5"}, "/rows"),
        ({"model_name": "m", "where": {"feedback_types": ["exposure"]}}, "/where/feedback_types"),
        ({"model_name": "m", "labels": ["reward"]}, "/labels"),
        ({"model_name": "m", "sampling": {"strategy": "best"}}, "/sampling/strategy"),
        ({"model_name": "m", "sampling": {"strategy": "recency", "options": {"days": 1}}}, "/sampling/options/days"),
        ({"model_name": "m", "split": {"by": "age"}}, "/split/by"),
        (
            {"model_name": "m", "window": {"start": LATER, "end": "2026-03-01T00:00:00Z"}},
            "/window/end",
        ),
        ({"model_name": "m", "window": {"start": "2026-03-02T00:00:00"}}, "/window/start"),
        ([], ""),
    ],
)
def test_a_recipe_that_cannot_be_compiled_is_refused_by_its_field(recipe, pointer):
    """The pointer names the field, and the message never the value that was sent."""
    with pytest.raises(ValidationFailed) as refused:
        recipe_of(recipe, 0.2)

    assert [fault.pointer for fault in refused.value.faults] == [pointer]


def test_a_recipe_survives_the_way_through_json():
    """What a manifest keeps of a recipe makes the same recipe."""
    recipe = recipe_of({"model_name": "m", "split": {"by": "time"}, "window": {"start": LATER}}, 0.2)

    assert recipe_of(recipe.as_data(), 0.2) == recipe
