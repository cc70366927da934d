"""The whole system on a log of which most is sealed: it answers, streams, rebuilds and exports as it did before."""

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session

from feedback_assets.exporting import Export, Span
from feedback_assets.sensors.changed_days import changed_days
from feedback_ingest.clock import utc_now
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream.process import catch_up
from feedback_loop.stream.rebuild import rebuild
from feedback_loop.stream.status import status
from tests.api.conftest import PEPPER, Client
from tests.stream.events import tables
from tests.support.partitions import seal_all, small_partitions

EVENTS = 60


@pytest.fixture(scope="module")
def key(make_key: Callable[..., str]) -> str:
    """A key that sends and reads."""
    return make_key("ingest", "read")


class Story:
    """What was sent, and what each of its places says of it."""

    def __init__(self, client: Client, key: str, database: Database, folder: Path) -> None:
        self.client, self.key, self.database = client, key, database
        self.settings = Settings(data_dir=folder, database_url=database.url, pepper=PEPPER)
        self.names = [str(uuid.uuid4()) for _ in range(EVENTS // 2)]
        small_partitions(database, 10)
        for name in self.names:
            client.post("/v1/inferences", key, self.inference(name))
            client.post("/v1/feedback", key, self.feedback(name))

    def inference(self, name: str) -> dict[str, Any]:
        """An answer."""
        output = {"output_id": "A", "content": {"label": 3}}
        return {"inference_request_id": name, "model_name": "digits", "model_version": "m", "outputs": [output]}

    def feedback(self, name: str) -> dict[str, Any]:
        """What turned out to be true."""
        about = {"inference_request_id": name, "model_name": "digits", "model_version": "m", "feedback_id": name}
        return {**about, "feedback_type": "ground_truth", "feedback_value": {"label": 4}}

    def told(self) -> dict[str, Any]:
        """Everything that is answered, exported and kept live."""
        name = self.names[3]
        paths = (
            f"feedback/{name}",
            f"inferences/{name}",
            f"inferences/{name}/feedback",
            "log?limit=1000",
            "log?from=offset:27",
        )
        with Session(self.database.engine) as session:
            days = changed_days(session, 0, EVENTS)
        return {
            "answers": [self.client.get(f"/v1/{path}", self.key).json() for path in paths],
            "tables": tables(self.database),
            "exports": [self.export(kind) for kind in ("feedback", "inference")],
            "days": days,
        }

    def export(self, kind: str) -> Any:
        """The rows that the graph would write."""
        now = utc_now()
        span = Span(now - timedelta(days=2), now + timedelta(days=1), EVENTS)
        return Export(partial(Session, self.database.engine), kind, span).reader().read_all().to_pylist()


@pytest.fixture(scope="module")
def story(client: Client, key: str, database: Database, tmp_path_factory: Any) -> Iterator[Story]:
    """Told, processed, and for the most part sealed."""
    made = Story(client, key, database, tmp_path_factory.mktemp("story"))
    catch_up(database, made.settings)
    made.before = made.told()  # type: ignore[attr-defined]
    assert seal_all(database, made.settings.sealed_dir) == [10, 20, 30, 40, 50, 60]
    yield made


def test_everything_answers_as_before(story: Story) -> None:
    """One event, an inference with what was said about it, pages, exports, the days that changed."""
    assert story.told() == story.before  # type: ignore[attr-defined]
    assert len(story.told()["exports"][0]) == EVENTS // 2


def test_a_retry_of_a_sealed_event_is_a_duplicate(story: Story) -> None:
    """With its offset and its first receipt; other content is a conflict; a dry run says the same."""
    name = story.names[0]
    again = story.client.post("/v1/feedback", story.key, story.feedback(name))
    shown = story.client.get(f"/v1/feedback/{name}", story.key).json()
    other = story.client.post("/v1/feedback", story.key, story.feedback(name) | {"rationale": "another"})
    dry = story.client.post("/v1/feedback/validate", story.key, story.feedback(name)).json()

    assert (again.status_code, again.json()["status"]) == (200, "duplicate")
    assert (again.json()["offset"], again.json()["received_at"]) == (2, shown["received_at"])
    assert other.status_code == 409
    assert dry["verdict"] == "duplicate"


def test_the_stream_rebuilds_from_files(story: Story) -> None:
    """From offset 0, and on with what comes."""
    rebuild(story.database, story.settings)

    assert tables(story.database) == story.before["tables"]  # type: ignore[attr-defined]
    story.client.post("/v1/feedback", story.key, story.feedback(story.names[0]) | {"feedback_id": str(uuid.uuid4())})
    catch_up(story.database, story.settings)
    with Session(story.database.engine) as session:
        assert status(session).lag == 0


def test_a_retraction_of_a_sealed_event_reaches_its_day(story: Story) -> None:
    """The graph refreshes the day on which what is taken back was received, wherever that is kept."""
    value = {"feedback_type": "retraction", "feedback_value": {"retracts": story.names[1]}}
    about = {"inference_request_id": story.names[1], "model_version": "m"}
    place = story.client.post("/v1/feedback", story.key, about | value).json()["offset"]
    with story.database.engine.begin() as connection:
        connection.execute(text("UPDATE staging.sealed_events SET received_at = received_at - interval '3 days'"))
    with Session(story.database.engine) as session:
        _, reached = changed_days(session, place - 1, place)

    assert reached == [(utc_now() - timedelta(days=3)).date()]
