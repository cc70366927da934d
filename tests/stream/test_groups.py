"""Consumers in several processes: the same tables as in one, whoever is ahead of whom, and who cannot part."""

import random
import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest.canonical import Pepper
from feedback_ingest.errors import SetupError
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream.consumers import collect
from feedback_loop.stream.groups import Turn, chosen, group_of, next_turn, together
from feedback_loop.stream.positions import Standing
from feedback_loop.stream.process import catch_up, leading
from feedback_loop.stream.rebuild import rebuild
from tests.stream.events import append, feedback, inference, kept, recount, tables, truth, wipe

GROUPS = sorted({group_of(name) for name in collect()})


SAYINGS: list[tuple[str, dict[str, Any]]] = [
    ("preference_pair", {"preferred_output_id": "A", "rejected_output_id": "B"}),
    ("exposure", {"items": [{"item_id": "x", "position": 0}, {"item_id": "y", "position": 1}]}),
    ("implicit_click", {"item_id": "x", "position": 0}),
    ("explicit_label", {"label": 1}),
    ("explicit_correction", {"corrected_label": 2}),
    ("reward", {"reward": 0.25}),
    ("safety_flag", {"category": "harm", "severity": 2}),
]


def history(chance: random.Random, length: int) -> list[Fact]:
    """Answers, what is said of them, edits and retractions, many of them before what they are about."""
    facts = []
    for n in range(length):
        facts.append(inference(f"i{n}", answer=chance.randrange(3), version=chance.choice(["m1", "m2"]), second=n))
        facts.append(truth(f"t{n}", f"i{n}", chance.randrange(3), second=n + chance.randrange(90)))
        facts.append(feedback(f"r{n}", f"i{n}", "explicit_rating", {"score": 1 + chance.randrange(5)}, second=n))
        facts.append(feedback(f"k{n}", f"i{n}", *chance.choice(SAYINGS), second=n + chance.randrange(60)))
        if chance.random() < 0.2:
            facts.append(feedback(f"u{n}", f"i{n}", "retraction", {"retracts": f"r{n}"}, second=n + 5))
        if chance.random() < 0.2:
            facts.append(truth(f"s{n}", f"i{n}", chance.randrange(3), second=n + 6, supersedes=f"t{n}"))
    chance.shuffle(facts)
    return facts


@pytest.fixture
def told(database: Database, settings: Settings, pepper: Pepper) -> dict[str, list[Any]]:
    """A log with a history in it, read by one process; what the tables hold then."""
    wipe(database)
    chance = random.Random(11)
    append(database, pepper, *history(chance, 150))
    catch_up(database, settings.model_copy(update={"stream_batch": 70}))
    return kept(database)


def test_apart_they_keep_what_they_keep_together(
    told: dict[str, list[Any]], database: Database, settings: Settings
) -> None:
    """Every group in a process of its own, in turns at random, from the first event: the same tables, row for row."""
    chance = random.Random(5)
    with ExitStack() as stack:
        streams = [
            stack.enter_context(
                leading(database, settings.model_copy(update={"stream_batch": chance.randrange(7, 90)}), group, True)
            )
            for group in GROUPS
        ]
        emptied = kept(database)
        while streams:
            stream = chance.choice(streams)
            if stream.step() == 0 and min(other.position for other in streams) >= len_of_log(database):
                streams.remove(stream)

    assert not any(emptied.values())
    assert kept(database) == told


def test_from_different_places_one_process_brings_them_together(
    told: dict[str, list[Any]], database: Database, settings: Settings
) -> None:
    """Some groups read a part of the log alone; a process that works as all of them goes on to the same tables."""
    small = settings.model_copy(update={"stream_batch": 40})
    with leading(database, small, anew=True) as stream:
        stream.step()
    for steps, group in enumerate(GROUPS):
        with leading(database, small, group) as stream:
            for _ in range(steps):
                stream.step()

    catch_up(database, settings)

    assert kept(database) == told
    assert tables(database)["live_metrics"] == recount(database, settings.bucket_s)


@pytest.mark.parametrize("group", GROUPS, ids="+".join)
def test_one_group_is_rebuilt_by_itself(
    told: dict[str, list[Any]], database: Database, settings: Settings, group: tuple[str, ...]
) -> None:
    """Its tables are read from the log again while the others stay where they are, and are as they were."""
    rebuild(database, settings.model_copy(update={"stream_batch": 64}), group)

    assert kept(database) == told


def test_a_consumer_that_is_new_reads_what_it_missed(
    told: dict[str, list[Any]], database: Database, settings: Settings
) -> None:
    """A consumer that came with a newer version reads the log from its first event; the others do not wait for it."""
    with database.engine.begin() as connection:
        connection.execute(text("DELETE FROM consumer_positions WHERE name = 'enrichment'"))
        connection.execute(text("TRUNCATE live_enrichments"))

    catch_up(database, settings)

    assert kept(database) == told


def test_whoever_waits_for_another_process_does_not_pass_it(
    told: dict[str, list[Any]], database: Database, settings: Settings
) -> None:
    """While nobody works as attribution, those after it stand still."""
    with leading(database, settings, ["attribution"], anew=True):
        pass

    assert rebuild(database, settings, group_of("training_queue")) == 0
    assert kept(database)["training_examples"] == []


def test_names_are_checked() -> None:
    """A name that nobody has, and half of a group, are refused with what to write instead."""
    assert chosen() == tuple(collect())
    assert chosen(["enrichment", "attribution"]) == ("attribution", "enrichment")
    with pytest.raises(SetupError, match="no consumer is called 'atribution'; --only takes attribution, "):
        chosen(["atribution"])
    with pytest.raises(SetupError, match="alerts works together with rolling_metrics: --only rolling_metrics,alerts,"):
        chosen(["alerts"])


def test_the_parts_of_the_deployment_page_are_all_there_are() -> None:
    """The lines that the page gives to copy work, and together they leave no consumer without a process."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "deploy.md").read_text()
    parts = [line.split(",") for line in re.findall(r"^feedback stream --only (\S+)$", page, re.MULTILINE)]

    assert sorted(name for part in parts for name in chosen(part)) == sorted(collect())


def test_whose_turn_it_is() -> None:
    """The hindmost go on up to the next place; nobody passes whom it rests on; what was decided is read apart."""
    at = {"attribution": Standing(1, 50, 50), "enrichment": Standing(1, 20, 20)}
    at |= dict.fromkeys(("budgets", *group_of("training_queue")), Standing(1, 20, 20))
    behind = tuple(name for name in collect() if name in at and name != "attribution")

    assert next_turn(at, {}) == Turn(behind, ("attribution",), 20, 50)
    assert next_turn({"enrichment": at["enrichment"]}, {"attribution": 20}) is None
    assert next_turn({"enrichment": at["enrichment"]}, {"attribution": 35}) == Turn(
        ("enrichment",), ("attribution",), 20, 35
    )
    assert next_turn({"attribution": Standing(2, 0, 30)}, {}) == Turn(("attribution",), (), 0, 30)
    assert next_turn({"attribution": Standing(2, 30, 30)}, {}) == Turn(("attribution",), (), 30, None)


def test_who_joins_a_group_stands_where_it_stands() -> None:
    """A consumer that reads another's findings in the same batch begins there; a group that came apart is told."""
    known = dict.fromkeys(group_of("alerts"), Standing(4, 70, 70))
    joined = together(known | {"alerts": Standing(1, 0, 0)})

    assert joined["alerts"] == Standing(1, 70, 70)
    with pytest.raises(SetupError, match="feedback stream --rebuild"):
        together(known | {"alerts": Standing(1, 30, 30)})


def len_of_log(database: Database) -> int:
    """The head of the log."""
    with Session(database.engine) as session:
        return int(session.execute(text("SELECT max(next_offset) - 1 FROM staging.log_head")).scalar_one())
