"""GET /v1/bias: who answers against who is served, worked out from the live tables, for the key's own project."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlmodel import Session

from feedback_ingest import keys
from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import utc_now
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_ingest.tables import Project
from feedback_loop.stream.process import catch_up
from tests.api.conftest import PEPPER, Client
from tests.stream.events import append, feedback, inference


def asked(name: str, tier: str) -> Fact:
    """An inference for somebody of a tier."""
    fact = inference(name)
    return replace(fact, body=fact.body | {"segments": {"tier": tier}})


def test_a_loud_segment_is_told(
    client: Client, make_key: Callable[..., str], database: Database, settings: Settings
) -> None:
    """With its share of traffic and of negatives, the weights against it, and what was shown where."""
    facts = []
    for n in range(700):
        is_loud = n < 210
        facts.append(asked(f"r{n}", "loud" if is_loud else "quiet"))
        if is_loud or n % 20 == 0:
            said = {"positive": n % 2 == 0 if is_loud else True}
            facts.append(feedback(f"01890a5d-ac96-774b-bcce-{n:012d}", f"r{n}", "explicit_binary", said))
    shown = {"items": [{"item_id": "x", "position": 0}, {"item_id": "y", "position": 1}]}
    facts.append(feedback("01890a5d-ac96-774b-bcce-00000000ffff", "r1", "exposure", shown))
    append(database, Pepper(PEPPER.encode()), *facts)
    catch_up(database, settings)
    with Session(database.engine) as session:
        session.add(Project(name="elsewhere"))
        session.flush()
        stranger = keys.create(session, "elsewhere", ["read"], utc_now()).key
        session.commit()

    [model] = client.get("/v1/bias", make_key("read")).json()["models"]

    assert (model["model_name"], model["served"], model["answered"], model["is_biased"]) == ("digits", 700, 234, True)
    assert {each["kind"] for each in model["findings"]} == {"response", "negatives"}
    assert {each["segment"] for each in model["findings"]} == {"tier=loud"}
    [tier] = model["segments"]
    assert [(value["value"], value["served"], value["answered"]) for value in tier["values"]] == [
        ("loud", 210, 210),
        ("quiet", 490, 24),
    ]
    assert tier["raw"]["value"] < 0.6 and tier["reweighted"]["value"] > 0.8
    assert model["liking"]["votes"] == 234 and model["liking"]["raw"] == pytest.approx(129 / 234)
    assert model["liking"]["bounded"] != pytest.approx(129 / 234)
    assert [(each["position"], each["shown"], each["clicked"]) for each in model["positions"]] == [(0, 1, 0), (1, 1, 0)]
    assert client.get("/v1/bias", stranger).json() == {"models": []}
    assert client.get("/v1/bias?model_name=other", make_key("read")).json() == {"models": []}
    assert client.get("/v1/bias", make_key("ingest")).status_code == 403


def test_who_is_suspended_is_not_judged_by(
    client: Client, make_key: Callable[..., str], database: Database, settings: Settings
) -> None:
    """What they said counts no more, whenever they said it; what was served does."""
    append(
        database,
        Pepper(PEPPER.encode()),
        asked("s1", "loud"),
        feedback("s", "s1", "explicit_binary", {"positive": True}),
    )
    catch_up(database, settings)
    [before] = client.get("/v1/bias", make_key("read")).json()["models"]
    verdict = {"actor": "a-key", "subject": "p_1", "reason": "a bot"}
    append(database, Pepper(PEPPER.encode()), Fact(1, "actor_suspended", "s", verdict, utc_now()))
    catch_up(database, settings)
    [after] = client.get("/v1/bias", make_key("read")).json()["models"]

    assert before["answered"] > 0
    assert (after["served"], after["answered"], after["positions"]) == (before["served"], 0, [])
