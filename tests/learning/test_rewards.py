"""Rewards: several feedbacks on one inference, or none in time, make one reward; one meaning, in any order."""

from datetime import timedelta
from itertools import permutations
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedback_loop.learning.attribution import attributed
from feedback_loop.learning.policies import Placed
from feedback_loop.learning.policies.attribution import AttributionPolicy, Resolution, Terms
from feedback_loop.learning.rewards import Vote, is_vote, resolved, reward, rewards, terms_of, vote_of
from feedback_loop.learning.schemas import REWARD_SCHEMA
from tests.learning.stories import facts
from tests.learning.worlds import NOON, Follower, Prepared, engine, feedback_table, inference_table, logged

LATER = NOON + timedelta(seconds=90)
HOWS: tuple[Any, ...] = get_args(Resolution)


def policy(how: Any, **more: Any) -> Placed:
    """Every metric of the stories makes a reward; thumbs have a default."""
    terms = {name: Terms(resolve=how) for name in ("mean_reward", "click_through", "tone")}
    thumbs = Terms(resolve=how, wait_s=25, default_reward=0.5, **more)
    return Placed(AttributionPolicy(metrics={**terms, "satisfaction": thumbs}), 0)


# One project a resolution, and one whose defaults are not due yet; the last one's policy changes on the way.
WAITS = {n + 1: [policy(how)] for n, how in enumerate(HOWS)}
WAITS[8] = [Placed(AttributionPolicy(metrics={"satisfaction": Terms(wait_s=900, default_reward=0.0)}), 0)]
WAITS[9] = [policy("first"), policy("mean")._replace(log_offset=65)]
PROJECTS = tuple(WAITS)


def in_sum(feedback: Any, inferences: Any) -> Any:
    """The expression over the log's two tables."""
    return rewards(attributed(feedback, inferences, waits=WAITS, newest=LATER), inferences, WAITS, LATER)


IN_SUM = Prepared(in_sum)


def one_by_one(live: Follower) -> dict[tuple[int, str, str], tuple[Any, ...]]:
    """What the functions make of what a follower of the log knows."""
    found = {}
    for (project_id, name), inference in live.inferences.items():
        for metric, terms in terms_of(inference, WAITS).items():
            said = [
                vote_of(state)
                for state in live.states.values()
                if (state["project_id"], state["inference_request_id"], state["metric"]) == (project_id, name, metric)
                and is_vote(state)
            ]
            worth = reward(inference, said, terms, LATER)
            if worth is not None:
                found[project_id, name, metric] = tuple(worth)
    return found


@settings(max_examples=30, deadline=None)
@given(first=facts(), data=st.data())
def test_function_and_expression_agree_in_any_order(first, data):
    """Under every resolution, with defaults and without, whatever the order of arrival in each project."""
    log, start = [], 1
    for project_id in PROJECTS:
        order = data.draw(st.permutations(first)) if project_id % 2 else first
        log += logged(order, project_id, start)
        start += len(first)

    live = Follower(waits=WAITS).follow(log).until(LATER)
    rows = IN_SUM(live.feedback.values(), live.inferences.values())
    at_once = {
        (row["project_id"], row["inference_request_id"], row["metric"]): (
            row["state"], row["reward"], row["votes"], row["feedback_id"],
        )
        for row in rows
    }  # fmt: skip

    assert at_once == one_by_one(live)
    assert "pending" not in {state for (project, *_), (state, *_) in at_once.items() if project < 8}


def test_the_expression_keeps_the_promised_columns():
    """Exactly REWARD_SCHEMA, also without a row and without a policy."""
    inferences = inference_table([])
    table = rewards(attributed(feedback_table([]), inferences), inferences, {}, NOON)

    assert engine().to_pyarrow(table).schema.equals(REWARD_SCHEMA)


def vote(second: int, worth: float, kind: str = "end_user") -> Vote:
    """A vote of somebody."""
    return Vote(NOON + timedelta(seconds=second), f"f{second}", kind, worth)


VOTES = (vote(1, 1.0), vote(2, 0.0, "reviewer"), vote(3, 1.0), vote(4, 0.25))


@pytest.mark.parametrize(
    ("how", "worth"),
    [
        ("last", (0.25, "f4")),
        ("first", (1.0, "f1")),
        ("mean", (0.5625, None)),
        ("majority", (1.0, "f3")),
        ("reviewer_over_user", (0.0, "f2")),
    ],
)
def test_several_rewards_become_one(how, worth):
    """By the policy's name, whatever the order they came in."""
    assert {resolved(order, how) for order in permutations(VOTES)} == {worth}


def test_of_two_equal_parties_the_last_word_counts():
    """A majority of one against one is the later one."""
    assert resolved([vote(1, 1.0), vote(2, 0.0)], "majority") == (0.0, "f2")
