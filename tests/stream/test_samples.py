"""Samples: how unlike an answer is to what its version was trained on is told of the log alone, so a rebuild agrees."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest import log
from feedback_ingest.canonical import Pepper
from feedback_ingest.log import Fact, LogRow
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.learning.familiarity import Sample, sample_of
from feedback_loop.learning.rows import inference_row
from feedback_loop.stream.process import catch_up
from feedback_loop.stream.rebuild import rebuild
from tests.stream.events import NOON, append, inference, kept, truth, wipe

WORDS = ("refund", "invoice", "parcel", "late", "broken", "login", "thanks", "price")


@pytest.fixture
def empty(database: Database) -> Database:
    """The module's database with an empty log."""
    wipe(database)
    return database


def asked(name: str, chance: random.Random, version: str = "m1") -> Fact:
    """An inference about a few words, which embeds nothing."""
    fact = inference(name, version=version)
    return replace(fact, body=fact.body | {"inputs": {"text": " ".join(chance.choices(WORDS, k=4))}})


def compiled(version: str, sample: Sequence[int]) -> Fact:
    """The fact that a version was trained on a dataset for which these inferences stand, by offset."""
    body = {"model_name": "digits", "dataset_version": version, "sample": list(sample)}
    return Fact(1, "dataset_compiled", version, body, NOON)


def tell(database: Database, pepper: Pepper) -> None:
    """Answers before and after their version's sample is named, of a version that has none, and of an increment."""
    chance = random.Random(2)
    append(database, pepper, *(asked(f"i{n}", chance) for n in range(12)))
    append(database, pepper, truth("early", "i1", 3), compiled("m1", range(1, 11)))
    for n in range(12, 40):
        version = chance.choice(("m1", "m1.increment-20", "m2"))
        append(database, pepper, asked(f"i{n}", chance, version), truth(f"t{n}", f"i{n}", 3, model_version=version))
    append(database, pepper, truth("late", "i2", 3), compiled("m2", range(20, 30)))
    append(database, pepper, asked("i40", chance, "m2"), truth("t40", "i40", 3, model_version="m2"))


def novelties(database: Database) -> dict[str, Any]:
    """What enrichment told of each feedback."""
    with Session(database.engine) as session:
        query = "SELECT feedback_id, answer ->> 'novelty' FROM live_enrichments WHERE source = 'novelty'"
        return {row[0]: row[1] for row in session.execute(text(query))}


def test_novelty_is_the_same_after_a_rebuild(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """The sample stands in the log: read again from the first event, in other batches, every row says the same."""
    tell(empty, pepper)
    catch_up(empty, settings)
    live, before = kept(empty), novelties(empty)

    rebuild(empty, settings.model_copy(update={"stream_batch": 7}))

    assert novelties(empty) == before and kept(empty) == live
    assert before["early"] is before["late"] is None and before["t40"] is not None
    known = {name: value for name, value in before.items() if value is not None}
    assert 10 < len(known) < 28 and len(set(known.values())) > 5


def test_a_sample_of_whatever_is_there_is_noticed(
    empty: Database, settings: Settings, pepper: Pepper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: a sample that is drawn from the log as it stands is another one when it is read again."""

    def newest(session: Session, fact: LogRow) -> Sample | None:
        rows = [inference_row(row) for row in log.read(session, log.head(session) - 20, 20)]
        version = (fact.project_id, fact.body["model_name"], fact.body["dataset_version"])
        return sample_of(version, fact.log_offset, [row for row in rows if row is not None])

    monkeypatch.setattr("feedback_loop.stream.samples.keeping.read", newest)
    chance = random.Random(3)
    append(empty, pepper, *(asked(f"i{n}", chance) for n in range(12)), compiled("m1", range(1, 11)))
    append(empty, pepper, asked("i12", chance), truth("t12", "i12", 3))
    catch_up(empty, settings)
    before = novelties(empty)
    append(empty, pepper, *(asked(f"i{n}", chance) for n in range(13, 30)))

    rebuild(empty, settings)

    assert novelties(empty) != before
