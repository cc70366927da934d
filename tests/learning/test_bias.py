"""Bias: one meaning in the function and the expression; what is found, after how many events, and what weights undo."""

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given as given_any
from hypothesis import settings

from feedback_ingest.log import LogRow
from feedback_loop.learning import bias
from feedback_loop.learning.attribution import attributed
from feedback_loop.learning.bias import Cell, Shown, Tally, Voice, judge, tally
from feedback_loop.learning.bias.comparing import kolmogorov_smirnov, stability
from feedback_loop.learning.bias.verdicts import LEAST_ANSWERED
from feedback_loop.learning.bias.weighting import response_weights
from feedback_loop.learning.rows import feedback_row, inference_row
from feedback_loop.learning.segments import Admitted, admitted
from tests.learning.stories import facts
from tests.learning.worlds import Follower, engine, feedback_table, inference_table, logged

LOUD, QUIET = '{"tier":"loud"}', '{"tier":"quiet"}'
TIERS = Admitted([(1, "tier", "loud"), (1, "tier", "quiet")])


def row_by_row(rows: Sequence[LogRow], window: int) -> dict[tuple[int, str], Tally]:
    """What the functions count, as the API does it: the newest of each model with the feedback on each."""
    world = Follower().follow(rows)
    said = defaultdict(list)
    for state in world.states.values():
        said[state["inference_request_id"]].append(state)
    models = defaultdict(list)
    for inference in sorted(world.inferences.values(), key=lambda each: -each["log_offset"]):
        models[inference["project_id"], inference["model_name"]].append(inference)
    return {
        key: tally(
            key[0],
            (
                (each["segments"], each["confidence"], bias.voice_of(said[each["inference_request_id"]]))
                for each in asked[:window]
            ),
            world.admitted,
        )
        for key, asked in models.items()
    }


@settings(max_examples=12, deadline=None)
@given_any(told=facts())
def test_function_and_expression_count_alike(told: list[LogRow]) -> None:
    """The same cells and the same positions, whichever driver counts."""
    rows = logged(told)
    feedback = feedback_table(row for each in rows if (row := feedback_row(each)) is not None)
    inferences = inference_table(row for each in rows if (row := inference_row(each)) is not None)
    states = engine().to_pyarrow(attributed(feedback, inferences)).to_pylist()

    counted = bias.tallied(attributed(feedback, inferences), inferences, admitted(feedback, inferences), 2)

    expected = row_by_row(rows, 2)
    assert counted.keys() == expected.keys()
    for key, mine in counted.items():
        assert [cell[:6] for cell in mine.cells] == [cell[:6] for cell in expected[key].cells]
        assert [cell[6:] for cell in mine.cells] == [pytest.approx(cell[6:]) for cell in expected[key].cells]
        assert mine[1:] == expected[key][1:]
    shown = bias.position_counts(attributed(feedback, inferences))
    for key, found in shown.items():
        mine = [row for row in states if (row["project_id"], row["model_name"]) == key]
        assert found == bias.positions_of(row for row in mine if _tells_positions(row))


def _tells_positions(row: dict[str, Any]) -> bool:
    return (
        row["feedback_type"] in ("exposure", "implicit_click") and row["state"] == "attributed" and not row["is_undone"]
    )


def stream(count: int, seed: int = 0, rates: tuple[float, float] = (0.5, 0.05)) -> Iterable[tuple[str, float, Voice]]:
    """A third of traffic is loud and answers ten times as often; it likes the answers a little less.

    So it sends most of the negatives: .3 × .5 × .4 against .7 × .05 × .3 is 85 %.
    """
    chance = random.Random(seed)
    for _ in range(count):
        is_loud = chance.random() < 0.3
        bad = chance.random() < (0.4 if is_loud else 0.3)
        answers = chance.random() < rates[not is_loud]
        yield (
            LOUD if is_loud else QUIET,
            0.5,
            Voice(True, 0.0 if bad else 1.0, 1.0) if answers else Voice(False, None, 0.0),
        )


TRUTH = 1 - (0.3 * 0.4 + 0.7 * 0.3)


def within(events: int, told: Iterable[tuple[str, float, Voice]]) -> Tally:
    """The tally of a stream at the moment it has brought so much feedback."""
    seen, answered = [], 0
    for each in told:
        seen.append(each)
        answered += each[2].answered
        if answered == events:
            break
    return tally(1, seen, TIERS)


@pytest.mark.parametrize("seed", range(5))
def test_a_loud_segment_is_found_within_the_documented_events(seed: int) -> None:
    """85 % of the negatives from 30 % of traffic: found, named, with the figures, at the first possible moment."""
    counted = within(LEAST_ANSWERED, stream(20_000, seed))

    loud = next(cell for cell in counted.cells if cell.value == "loud")
    assert loud.negatives / counted.whole.negatives > 0.7
    found = judge(counted).findings
    assert {each.kind for each in found} >= {"response", "negatives"}
    assert {each.segment for each in found} == {"tier=loud"}
    assert all("loud" in each.reason and "%" in each.reason for each in found if each.kind != "disparity")


@pytest.mark.parametrize("seed", range(5))
def test_weights_undo_what_the_loud_do_to_a_figure(seed: int) -> None:
    """The raw mean is off by more than its own error allows; the reweighted one is within tolerance of the truth."""
    counted = tally(1, stream(20_000, seed, rates=(0.9, 0.05)), TIERS)
    [told] = judge(counted).segments

    raw, weighted = told["raw"], told["reweighted"]
    assert abs(raw["value"] - TRUTH) > 0.03 and abs(raw["value"] - TRUTH) > 4 * raw["error"]
    assert abs(weighted["value"] - TRUTH) < 0.03 and abs(weighted["value"] - TRUTH) < 3 * weighted["error"]


def test_weights_spread_answers_as_traffic_is() -> None:
    """Weighted, each value has its share of traffic; no answer weighs more than ten."""
    cells = [Cell("tier", "loud", 300, 150, 0, 0, 0, 0, 0), Cell("tier", "quiet", 700, 70, 0, 0, 0, 0, 0)]
    weights = response_weights(cells)

    assert weights["loud"] * 150 / (weights["quiet"] * 70) == pytest.approx(300 / 700)
    assert response_weights([*cells, Cell("tier", "shy", 9_000, 1, 0, 0, 0, 0, 0)])["shy"] == 10


@pytest.mark.parametrize("seed", range(20))
def test_an_even_crowd_is_left_in_peace(seed: int) -> None:
    """Everybody answers alike, looked at after every tenth answer: nothing is found in any of twenty streams."""
    for events in (LEAST_ANSWERED, 400, 800):
        told = ((s, c, v._replace(outcome=1.0) if v.answered else v) for s, c, v in stream(9_000, seed, (0.3, 0.3)))
        assert judge(within(events, told)).findings == ()


def test_too_few_are_no_bias_and_the_note_says_so() -> None:
    """Below the least number of answers nothing is claimed."""
    report = judge(within(LEAST_ANSWERED - 1, stream(20_000)))

    assert (report.findings, report.note) == ((), "199 of 200 answered inferences to judge by")


def test_a_small_pass_probability_buys_no_more_weight() -> None:
    """A client says how it samples; whoever claims one in a million counts like one in twenty."""
    said = {"is_undone": False, "is_retraction": False, "state": "attributed", "source_kind": "end_user"}
    row = said | {"feedback_type": "explicit_binary", "correct": None, "reward": 1.0}

    assert bias.voice_of([row | {"pass_probability": 0.25}]) == Voice(True, 1.0, 4.0)
    assert bias.voice_of([row | {"pass_probability": 1e-6}]).weight == 20


def test_answers_about_sure_ones_only_are_found() -> None:
    """People speak up where the model is sure, and nowhere else."""
    sure = [(None, 0.95, Voice(True, 1.0, 1.0))] * 300
    silent = [(None, 0.4, Voice(False, None, 0.0))] * 700
    [found] = judge(tally(1, sure + silent, TIERS)).findings

    assert found.kind == "confidence" and "KS 0.70" in found.reason


def test_positions_are_compared_by_what_was_shown() -> None:
    """The top is clicked five times as often; where every position is clicked alike nothing is said."""
    top_heavy = [Shown(0, 1_000, 50), Shown(1, 1_000, 10)]

    report = judge(Tally((), (), ()), top_heavy)

    assert [each.kind for each in report.findings] == ["position"]
    assert [each["looked_at"] for each in report.positions] == [1.0, pytest.approx(0.2)]
    assert judge(Tally((), (), ()), [Shown(0, 1_000, 50), Shown(1, 1_000, 48)]).findings == ()


def test_distances_have_intervals() -> None:
    """Of ten thousand the interval is narrow and holds the truth; equal spreads are 0 from each other."""
    index = stability([7_000, 3_000], [5_000, 5_000])

    assert index.low < 0.2 * 0.8473 < index.high and index.high - index.low < 0.08
    assert stability([700, 300], [70, 30]).low == 0
    assert kolmogorov_smirnov([50, 50], [50, 50]).value == 0


def test_a_finding_is_told_when_it_is_new_and_when_all_are_gone() -> None:
    """The same findings again are no news, and too few answers do not end anything."""
    loud = judge(within(LEAST_ANSWERED, stream(20_000)))
    even = judge(within(LEAST_ANSWERED, stream(20_000, rates=(0.3, 0.3))))
    few = judge(within(10, stream(20_000)))
    told = bias.fact_body("m", loud)

    assert [bias.to_tell(each, None) for each in (loud, even, few)] == ["bias_detected", None, None]
    assert [bias.to_tell(each, told) for each in (loud, even, few)] == [None, "bias_resolved", None]
    assert bias.to_tell(loud, bias.fact_body("m", even)) == "bias_detected"
    assert told["reasons"] and told["answered"] == LEAST_ANSWERED
