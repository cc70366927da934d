"""GET /v1/fidelity: what each source is worth, worked out from the live tables, for the key's own project."""

from collections.abc import Callable

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
from tests.stream.events import append, feedback, inference, truth


def test_each_source_is_scored_with_its_parts(
    client: Client, make_key: Callable[..., str], database: Database, settings: Settings
) -> None:
    """Labels against the truth, by source and metric; another project sees nothing of it."""
    facts = []
    for n in range(60):
        facts.append(inference(f"r{n}"))
        label = 3 if n % 4 else 5
        facts.append(feedback(f"01890a5d-ac96-774b-bcce-{n:012d}", f"r{n}", "explicit_label", {"label": label}))
        facts.append(truth(f"01890a5d-ac96-774b-bccf-{n:012d}", f"r{n}", 3, source={"kind": "system"}))
    append(database, Pepper(PEPPER.encode()), *facts)
    catch_up(database, settings)
    with Session(database.engine) as session:
        session.add(Project(name="elsewhere"))
        session.flush()
        stranger = keys.create(session, "elsewhere", ["read"], utc_now()).key
        session.commit()

    [model] = client.get("/v1/fidelity", make_key("read")).json()["models"]

    sources = {each["source"]: each for each in model["sources"]}
    assert model["model_name"] == "digits" and sources.keys() == {"end_user", "system"}
    parts = sources["end_user"]["parts"]
    assert (parts["agreement"]["value"], parts["agreement"]["told_by"], parts["attribution"]["value"]) == (0.75, 60, 1)
    assert parts["timeliness"]["value"] > 0.99 and 0 < sources["end_user"]["score"] < 1
    assert not sources["end_user"]["is_degraded"]
    assert client.get("/v1/fidelity", stranger).json() == {"models": []}
    assert client.get("/v1/fidelity?model_name=other", make_key("read")).json() == {"models": []}


def test_who_is_suspended_is_worth_nothing_to_the_others(
    client: Client, make_key: Callable[..., str], database: Database, settings: Settings
) -> None:
    """What a liar said counts no more, whenever they said it, and again when they are restored."""
    facts = []
    for n in range(60):
        facts += [inference(f"s{n}"), truth(f"s{n}-truth", f"s{n}", 3, source={"kind": "system"})]
        for user, label in (("p_liar", 5), (f"p_{n}", 3)):
            said = {"user_context": {"user_id": user}}
            facts.append(feedback(f"s{n}-{user}", f"s{n}", "explicit_label", {"label": label}, **said))
    append(database, Pepper(PEPPER.encode()), *facts)
    verdict = {"actor": "a-key", "subject": "p_liar", "reason": "lies"}

    def agreement() -> tuple[float, int]:
        catch_up(database, settings)
        [model] = client.get("/v1/fidelity", make_key("read")).json()["models"]
        [users] = [each for each in model["sources"] if (each["source"], each["segment"]) == ("end_user", "")]
        return users["parts"]["agreement"]["value"], users["parts"]["agreement"]["told_by"]

    before = agreement()
    append(database, Pepper(PEPPER.encode()), Fact(1, "actor_suspended", "p_liar-1", verdict, utc_now()))
    suspended = agreement()
    append(database, Pepper(PEPPER.encode()), Fact(1, "actor_restored", "p_liar-2", verdict, utc_now()))

    assert before[1] - suspended[1] == 60 and suspended[0] > before[0]
    assert agreement() == before
