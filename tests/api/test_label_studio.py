"""What Label Studio tells: let in with its secret only, and never believed."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlmodel import Session

from api import label_studio
from api.app import create_whole_app
from api.receiver import thin
from feedback_ingest import log
from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import utc_now
from feedback_ingest.decisions import Decider
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.review.folding import SUBMITTED
from feedback_loop.review.label_studio.exchange import HOOK_PATH, exchange
from feedback_loop.review.outside.exports import bound
from feedback_loop.review.outside.labels import OutsideLabel, give
from tests.api.conftest import PEPPER, Client
from tests.api.test_review import define, infer, open_items
from tests.review.studios import TOKEN, Studio, double

SECRET = "sixteen letters or more"
NAMED = {"X-Feedback-Secret": SECRET}


@pytest.fixture(scope="module")
def studio() -> Iterator[Studio]:
    """A Label Studio."""
    with double() as opened:
        yield opened


@pytest.fixture(scope="module")
def told(studio: Studio, database: Database, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings that name it."""
    return Settings(
        data_dir=tmp_path_factory.mktemp("told"),
        database_url=database.url,
        pepper=PEPPER,
        grpc=False,
        label_studio_url=studio.url,
        label_studio_token=TOKEN,
        label_studio_secret=SECRET,
    )


@pytest.fixture(scope="module")
def called(told: Settings) -> Iterator[Client]:
    """The app that Label Studio calls."""
    opened = Client(thin(create_whole_app(told)))
    opened.open()
    yield opened
    opened.close()


@pytest.fixture
def task(called: Client, told: Settings, studio: Studio, database: Database, make_key: Callable[..., str]) -> Any:
    """A task that is there, as Label Studio tells of it when user 7 has annotated it."""
    admin = make_key("admin")
    define(called, admin, "there", judged_in="label_studio", options=["spam", "ham"], overlap=2)
    [name] = open_items(called, admin, "there", {"inference_request_id": infer(called, admin)})
    exchange(database, told, Decider("label_studio", Pepper(PEPPER.encode())))
    [found] = [each for each in studio.tasks(studio.project()) if each["data"]["external_id"] == name]
    result = [{"from_name": "answer", "type": "choices", "value": {"choices": ["ham"]}}]
    annotation = {"id": 1, "completed_by": 7, "was_cancelled": False, "result": result}
    return {
        "action": "ANNOTATION_CREATED",
        "annotation": annotation,
        "task": found,
        "project": {"id": found["project"]},
    }


def labels(database: Database, task: Any) -> list[str]:
    """By whom the task has labels, as the log tells."""
    with Session(database.engine) as session:
        rows = log.read(session, 0, 100_000, [SUBMITTED])
    return [row.body["actor"] for row in rows if row.body["subject"] == task["task"]["data"]["external_id"]]


def test_what_is_told_is_read_there(called: Client, studio: Studio, database: Database, task: Any) -> None:
    """An annotation that is there becomes a label as soon as it is told of, once however often that is."""
    studio.annotate(task["task"]["id"], 7, "ham")

    answers = [called.post(HOOK_PATH, "", task, **NAMED) for _ in range(3)]

    assert [(each.status_code, each.json()) for each in answers] == [(202, {"looking_at": 1})] * 3
    assert labels(database, task) == ["label_studio:7"]


def test_what_is_only_told_is_no_label(called: Client, database: Database, task: Any) -> None:
    """Whoever has the secret can have us look, and no more: what is not there is not believed."""
    assert called.post(HOOK_PATH, "", task, **NAMED).status_code == 202

    assert labels(database, task) == []


def test_believing_what_is_told_would_be_noticed(
    called: Client, database: Database, task: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: the label is taken from what was told."""

    def trusting(database: Database, settings: Any, decider: Decider, project: int, tasks: list[str]) -> None:
        with Session(database.engine) as session:
            at = next(each for each in bound(session, "label_studio") if each.queue.queue_id == "there")
            name, by = task["task"]["data"]["external_id"], task["annotation"]["completed_by"]
            said = OutsideLabel(at.project_id, name, f"label_studio:{by}", {"label": "ham"})
            give(session, at.queue, said, decider, utc_now())
            session.commit()

    monkeypatch.setattr(label_studio, "hear", trusting)
    called.post(HOOK_PATH, "", task, **NAMED)

    assert labels(database, task) == ["label_studio:7"]


@pytest.mark.parametrize("shown", [{}, {"X-Feedback-Secret": ""}, {"X-Feedback-Secret": SECRET + "x"}])
def test_strangers_are_not_let_in(called: Client, studio: Studio, task: Any, shown: dict[str, str]) -> None:
    """Without the very secret it is 401, and nothing is looked at."""
    answer = called.post(HOOK_PATH, "", task, **shown)

    assert answer.status_code == 401 and answer.json()["code"] == "unauthenticated"


def test_without_a_secret_there_is_nothing_to_call(client: Client) -> None:
    """Where the settings name none the address does not exist."""
    assert client.post(HOOK_PATH, "", {}, **NAMED).status_code == 404


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"task": {"id": -1}}', b'{"project": {"id": 1}, "task": [{}, 5]}'])
def test_anything_may_be_told(called: Client, body: bytes) -> None:
    """What names no task is looked at as none."""
    assert called.post(HOOK_PATH, "", body, **NAMED).json() == {"looking_at": 0}


def test_half_a_word_is_refused(called: Client) -> None:
    """What is no JSON is 400."""
    assert called.post(HOOK_PATH, "", b"{", **NAMED).json()["code"] == "malformed-json"


def test_a_short_secret_is_none() -> None:
    """The secret is long enough, or the settings are refused."""
    with pytest.raises(ValueError, match="label_studio_secret"):
        Settings(label_studio_secret="short")
