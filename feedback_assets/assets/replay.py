"""Replay, part of the learning group: a bounded memory of what happened, and two learners that use it.

They run after a retraining, apart from it: nothing waits for them.
"""

import dagster as dg

from feedback_assets import replays
from feedback_assets.io_manager import Described
from feedback_assets.lake import Table
from feedback_assets.resources import LogResource
from feedback_assets.told.replay import buffer_told, forgetting_told, policies_told

GROUP = "learning"
OWNERS = ["team:ml-platform"]


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"python", "duckdb", "parquet"})
def replay_buffer(
    context: dg.AssetExecutionContext, log: LogResource, enriched_feedback: Table, inferences: Table
) -> Described:
    """Transitions (state, action, reward, next state) to learn from again: the newest, and some of all times."""
    upto_offset = log.upto_offset(context.instance, context.run.run_id)
    table = replays.snapshot(log, enriched_feedback, inferences, upto_offset)
    return Described(table, buffer_told, note=str(upto_offset))


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"python", "parquet"})
def replayed_policy(replay_buffer: Table) -> Described:
    """For each model a policy learnt by prioritised replay, and what it would have earned on the newest decisions."""
    found = replays.learnt_policies(replay_buffer)
    return Described(replays.policy_rows(found), lambda rows: policies_told(found))


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"python", "scikitlearn"})
def rehearsal_report(log: LogResource, labeled_set: Table) -> Described:
    """What a model forgets of earlier stretches of its life while it learns the later ones, with and without replay."""
    model_name, found, why_not = replays.rehearsed(labeled_set, log.settings.rehearsal_rows)
    table = replays.forgetting_rows(model_name, found)
    return Described(table, lambda rows: forgetting_told(model_name, found, why_not))
