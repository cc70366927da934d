"""Demands: what breaks a rule that its project blocks is held, counts nowhere, and comes in once that is allowed."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import permutations
from typing import Any

import ibis
import pyarrow as pa
import pytest
from sqlalchemy import text
from sqlmodel import Session

from expectations.rules import Evidence
from expectations.validation import BROKEN, POLICED, measured
from feedback_ingest import log
from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import utc_now
from feedback_ingest.decisions import METRIC_REGISTERED, POLICY_SET, of_kinds
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.learning.consistency import ranges_of
from feedback_loop.learning.demands import KINDS, Demands
from feedback_loop.learning.policies import in_force
from feedback_loop.learning.policies.validation import ValidationPolicy
from feedback_loop.learning.rows import feedback_row, inference_row
from feedback_loop.learning.schemas import FEEDBACK_SCHEMA, INFERENCE_SCHEMA
from feedback_loop.stream.process import catch_up
from feedback_loop.stream.rebuild import rebuild
from tests.stream.events import append, feedback, inference, kept, recount, tables, truth, wipe

STRICT = ValidationPolicy(negative_has_reason="block", correction_differs="block")
LET_IN = (
    "SELECT count(*) FROM attribution_changes WHERE before ->> 'state' = 'held' AND after ->> 'state' = 'attributed'"
)
NO_REASON: Mapping[str, Any] = {}


@pytest.fixture
def empty(database: Database) -> Database:
    """The module's database with an empty log."""
    wipe(database)
    return database


def policy(wanted: ValidationPolicy, project_id: int = 1, number: int = 0) -> Fact:
    """The fact that a project set its policy."""
    body = {"actor": "test", "subject": "validation", "version": number + 1, "policy": wanted.as_data()}
    return Fact(project_id, POLICY_SET, f"policy {number}", body, utc_now())


def registered(high: float, number: int = 0) -> Fact:
    """The fact that the metric `tone` reaches from 0 to `high` from here on."""
    metric = {"metric": "tone", "kind": "mean", "low": 0.0, "high": high}
    return Fact(
        1, METRIC_REGISTERED, f"tone {number}", {"actor": "test", "subject": "tone", "metric": metric}, utc_now()
    )


def thumb(name: str, about: str, reason: Mapping[str, Any] = NO_REASON, **fields: Any) -> Fact:
    """A thumbs-down, by default without a reason."""
    return feedback(name, about, "explicit_binary", {"positive": False, **reason}, 1, **fields)


def held(database: Database) -> set[str]:
    """The ids of what is held."""
    with Session(database.engine) as session:
        return set(session.execute(text("SELECT feedback_id FROM live_feedback WHERE state = 'held'")).scalars())


def queued(database: Database) -> set[str]:
    """The ids of what is in the training queue."""
    return {row[1] for row in tables(database)["training_examples"]}


def set_aside(database: Database) -> set[str]:
    """The ids of what the graph would set aside for a policy's rules, by its expressions over the whole log."""
    with Session(database.engine) as session:
        rows = log.read(session, 0, 100_000)
    said = [row for row in map(feedback_row, rows) if row is not None]
    about = ibis.memtable(pa.Table.from_pylist(said, FEEDBACK_SCHEMA))
    answered = [row for row in map(inference_row, rows) if row is not None]
    policies = in_force(rows, ValidationPolicy)
    ranges = ranges_of(row for row in rows if row.kind == METRIC_REGISTERED)
    given = ibis.memtable(pa.Table.from_pylist(answered, INFERENCE_SCHEMA))
    found = measured(Evidence.gather(about, about, given, policies, ranges)).select("feedback_id", BROKEN)
    return {row["feedback_id"] for row in found.to_pyarrow().to_pylist() if POLICED & set(row[BROKEN])}


def anything(chance: random.Random, count: int) -> Iterable[Fact]:
    """Feedback and inferences in no order, half of which break one rule or another, and retractions of some."""
    names = list(range(count))
    chance.shuffle(names)
    for n in names:
        about, reason = f"i{chance.randrange(count)}", {"reason_codes": ["wrong"]} if chance.random() < 0.5 else {}
        kind = chance.randrange(5)
        yield inference(f"i{n}")
        if kind == 0:
            yield thumb(f"f{n}", about, reason)
        elif kind == 1:
            corrected = {"corrected_label": chance.choice((3, 4))}
            yield feedback(f"f{n}", about, "explicit_correction", corrected, 1)
        elif kind == 2:
            chosen = {"preferred_output_id": "A", "rejected_output_id": chance.choice("BC")}
            yield feedback(f"f{n}", about, "preference_pair", chosen, 1)
        elif kind == 3:
            yield feedback(f"f{n}", about, "reward", {"reward": chance.uniform(0, 3)}, 1, metric="tone")
        else:
            yield feedback(f"f{n}", about, "retraction", {"retracts": f"f{chance.randrange(count)}"}, 2)


def test_what_breaks_a_rule_is_held_until_it_is_allowed(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """It counts in no metric and is in no queue, with its enrichment once it comes in; a retraction outlasts it."""
    append(empty, pepper, policy(STRICT), inference("i1"), inference("i2"), truth("t1", "i1", 3))
    append(empty, pepper, thumb("mute", "i1"), thumb("loud", "i2", {"comment": "why"}), thumb("regretted", "i2"))
    append(empty, pepper, feedback("undo", "i2", "retraction", {"retracts": "regretted"}, 2))
    catch_up(empty, settings)
    before, numbers = queued(empty), tables(empty)["live_metrics"]
    was_held, was_aside = held(empty), set_aside(empty)

    append(empty, pepper, policy(ValidationPolicy(), number=1))
    catch_up(empty, settings)

    assert was_held == was_aside == {"mute", "regretted"} and before == {"t1", "loud"}
    assert held(empty) == set_aside(empty) == set() and queued(empty) == {"t1", "loud", "mute"}
    assert numbers != tables(empty)["live_metrics"] == recount(empty, settings.bucket_s)
    with Session(empty.engine) as session:
        examples = dict(session.execute(text("SELECT feedback_id, example FROM training_examples")).all())
    assert examples["mute"]["confidence"] == examples["loud"]["confidence"] == 0.9


def test_every_order_of_arrival_is_held_alike(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """All orders of {inference, two thumbs, an edit of one that says why}, and then it is allowed: one table."""
    story = (
        inference("i1"),
        thumb("mute", "i1"),
        thumb("other", "i1"),
        thumb("edit", "i1", {"comment": "why"}, supersedes="other"),
    )
    told = {100 + n: order for n, order in enumerate(permutations(story))}
    append(empty, pepper, *(policy(STRICT, project) for project in told))
    append(empty, pepper, *(replace(fact, project_id=n) for n, order in told.items() for fact in order))
    catch_up(empty, settings.model_copy(update={"stream_batch": 5}))
    for allowed in (False, True):
        if allowed:
            append(empty, pepper, *(policy(ValidationPolicy(), project, 1) for project in told))
            catch_up(empty, settings)
        for table, rows in tables(empty).items():
            said = {project: [row[1:] for row in rows if row[0] == project] for project in told}
            assert all(said[project] == said[100] for project in told), table
        assert len(tables(empty)["training_examples"]) == len(told) * (1 + allowed)


def test_a_rebuild_holds_the_same(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """Demands that change at random: whatever the batches, and whoever takes over in between, the same tables."""
    chance, sent = random.Random(1), list(anything(random.Random(2), 90))
    for number in range(6):
        levels: Any = {name: chance.choice(("block", "block", "warn")) for name in sorted(POLICED)}
        demanded = policy(ValidationPolicy(**levels), number=number), registered(chance.choice((1.0, 2.0)), number)
        append(empty, pepper, *demanded, *sent[number * 30 : (number + 1) * 30])
        if number % 2:
            catch_up(empty, settings.model_copy(update={"stream_batch": 25}))
    live = kept(empty)

    rebuild(empty, settings.model_copy(update={"stream_batch": 11}))

    assert kept(empty) == live
    with Session(empty.engine) as session:
        assert session.execute(text(LET_IN)).scalar_one() > 0
    assert held(empty) and held(empty) <= set_aside(empty) and not held(empty) & queued(empty)


def test_the_graph_and_the_stream_hold_the_same(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """Where nothing is forbidden later, by every rule of the policy; what is counted is the rest."""
    append(empty, pepper, policy(STRICT), registered(1.0), *anything(random.Random(4), 120))
    catch_up(empty, settings)

    assert tables(empty)["live_metrics"] == recount(empty, settings.bucket_s)
    states = {row[1]: row[3] for row in tables(empty)["live_feedback"]}
    aside = {name for name in set_aside(empty) if states[name] != "pending"}
    assert held(empty) == aside and len(aside) > 20
    append(empty, pepper, registered(5.0, 1), policy(ValidationPolicy(compared_outputs_exist="off"), number=1))
    catch_up(empty, settings)

    assert held(empty) == set_aside(empty) == set()
    assert tables(empty)["live_metrics"] == recount(empty, settings.bucket_s)


def test_a_stream_that_lets_everything_in_is_noticed(
    empty: Database, settings: Settings, pepper: Pepper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: who asks nobody what is demanded counts what is to be held."""
    monkeypatch.setattr(Demands, "holds", lambda *_: False)
    append(empty, pepper, policy(STRICT), inference("i1"), thumb("mute", "i1"))
    catch_up(empty, settings)

    assert queued(empty) == {"mute"} == set_aside(empty)


def test_what_a_project_demands_is_known_to_who_takes_over(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """It is read from the log up to the place where the last one stopped."""
    append(empty, pepper, policy(STRICT), inference("i1"))
    catch_up(empty, settings)
    append(empty, pepper, thumb("mute", "i1"))
    catch_up(empty, settings)

    with Session(empty.engine) as session:
        assert len(of_kinds(session, KINDS)) == 1
    assert held(empty) == {"mute"}
