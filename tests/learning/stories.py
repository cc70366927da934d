"""Hypothesis strategies: what clients may send, in any order, wrong about models and people now and then."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from feedback_ingest.log import LogRow
from tests.learning.worlds import NOON

REQUESTS = ("r1", "r2", "r3")
IDS = tuple(f"f{number}" for number in range(8))
LABELS = st.sampled_from(["a", "b", "3", 3, 1, True])
VERSIONS = st.sampled_from(["v1", "v1", "v1", "v2"])
NAMES = st.sampled_from([None, None, "m", "other"])
USERS = st.sampled_from([None, "p_ann", "p_bob"])
SEGMENTS = st.fixed_dictionaries(
    {}, optional={"tier": st.sampled_from(["pro", 'Größe "L"', ""]), "against": st.just("v2"), "a=b": st.just("c")}
)

VALUES = st.one_of(
    st.builds(lambda label: ("ground_truth", {"label": label}), LABELS),
    st.builds(lambda label: ("explicit_label", {"label": label}), LABELS),
    st.builds(lambda label: ("explicit_label", {"labels": [label]}), LABELS),
    st.builds(lambda label: ("explicit_correction", {"corrected_label": label}), LABELS),
    st.builds(lambda text: ("explicit_correction", {"corrected_text": text}), st.sampled_from(["a", "At 9."])),
    st.builds(lambda good: ("explicit_binary", {"positive": good}), st.booleans()),
    st.builds(lambda score: ("explicit_rating", {"score": score, "scale_min": 0, "scale_max": 7}), st.floats(0, 7)),
    st.builds(lambda text: ("explicit_comment", {"text": text}), st.just("a")),
    st.builds(lambda clicked: ("implicit_click", {"item_id": "doc-7", "clicked": clicked}), st.booleans()),
    st.builds(lambda n: ("exposure", {"items": [{"item_id": f"doc-{n}", "position": n}] * n}), st.integers(1, 3)),
    st.builds(lambda reward: ("reward", {"reward": reward}), st.floats(-2e9, 2e9)),
    st.builds(lambda value: ("implicit_signal", {"signal": "dwell_time", "value": value}), st.sampled_from([4.5, "x"])),
    st.builds(
        lambda pair, tie: ("preference_pair", {"preferred_output_id": pair, "tie": tie}),
        st.sampled_from("ABC"),
        st.booleans(),
    ),
    st.builds(
        lambda pair: ("preference_pair", {"preferred_output_id": pair[0], "rejected_output_id": pair[1]}),
        st.permutations("ABC"),
    ),
    st.builds(
        lambda names, tied: ("explicit_ranking", {"ranking": [names[:2], *names[2:]] if tied else names}),
        st.permutations("ABC"),
        st.booleans(),
    ),
)

CONTENTS = st.one_of(
    LABELS, st.sampled_from([{"label": "a"}, {"text": "At 9."}, {"label": 3, "text": "a"}, {"score": 1}, ["a"]])
)


def _uuid(name: str) -> str:
    return f"0192f0c1-7c1e-7a50-8a3e-{int(name[1:]):012d}"


@st.composite
def _occurred(draw: Any) -> Any:
    return NOON + timedelta(microseconds=draw(st.integers(0, 40_000_000)))


@st.composite
def _feedback(draw: Any, name: str) -> LogRow:
    body: dict[str, Any] = {"inference_request_id": draw(st.sampled_from(REQUESTS)), "model_version": draw(VERSIONS)}
    if draw(st.integers(0, 3)) == 0:
        kind, value = "retraction", {"retracts": _uuid(draw(st.sampled_from(IDS)))}
    else:
        kind, value = draw(VALUES)
        if draw(st.integers(0, 4)) == 0:
            body["supersedes"] = _uuid(draw(st.sampled_from(IDS))).upper()
    body |= {"feedback_type": kind, "feedback_value": value}
    if (model := draw(NAMES)) is not None:
        body["model_name"] = model
    context = {"segments": draw(SEGMENTS)} if draw(st.booleans()) else {}
    if (user := draw(USERS)) is not None:
        context["user_id"] = user
    if context:
        body["user_context"] = context
    if draw(st.integers(0, 3)) == 0:
        body["metric"] = draw(st.sampled_from(["tone", "found", "share_of_it", "nobody_knows"]))
    if draw(st.integers(0, 5)) == 0:
        body["source"] = {"kind": draw(st.sampled_from(["reviewer", "llm_judge", "system"]))}
    moment = draw(_occurred())
    return LogRow(0, 0, "feedback", _uuid(name), moment, NOON + timedelta(minutes=1), body)


@st.composite
def _inference(draw: Any, request: str) -> LogRow:
    body: dict[str, Any] = {"inference_request_id": request, "model_version": "v1", "inputs": {"x": draw(LABELS)}}
    body["outputs"] = [{"output_id": "A", "content": draw(CONTENTS)}]
    if draw(st.booleans()):
        others = draw(st.lists(st.sampled_from(["v1", "v2", None]), min_size=1, max_size=2))
        for name, version in zip("BC", others, strict=False):
            more = {} if version is None else {"model_version": version}
            body["outputs"].append({"output_id": name, "content": "b", **more})
    if draw(st.booleans()):
        body["segments"] = draw(SEGMENTS)
    if draw(st.booleans()):
        body["model_name"] = "m"
    moment = draw(_occurred())
    return LogRow(0, 0, "inference", request, moment, NOON + timedelta(minutes=1), body)


@st.composite
def facts(draw: Any) -> list[LogRow]:
    """Some inferences and some feedback about them, retractions and edits among it, in the order they arrived in."""
    requests = [request for request in REQUESTS if draw(st.integers(0, 3))]
    sent = [draw(_inference(request)) for request in requests]
    sent += [draw(_feedback(name)) for name in IDS[: draw(st.integers(1, len(IDS)))]]
    return draw(st.permutations(sent))
