"""Label Studio as a place to judge: items are there once, annotations are labels once, whatever dies in between."""

from collections import Counter
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest

from feedback_ingest.canonical import Pepper
from feedback_ingest.decisions import Decider
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.learning.reviewing import ReviewQueue
from feedback_loop.review.label_studio import pushing
from feedback_loop.review.label_studio.exchange import TOOL, exchange
from feedback_loop.review.label_studio.server import LabelStudioAway
from tests.review.reviewers import Office
from tests.review.studios import TOKEN, Installed, Studio, double, is_installed

REAL = [pytest.mark.chaos, pytest.mark.skipif(not is_installed(), reason="make label-studio has installed none")]


@pytest.fixture(scope="module", params=["small", pytest.param("real", marks=REAL)])
def studio(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A Label Studio: the small one answers as the real one does, which `make chaos` asks too."""
    if request.param == "small":
        with double() as opened:
            yield opened
        return
    real = Installed(tmp_path_factory.mktemp("studio"), 12)
    yield real.start()
    real.kill()


class Desk(Office):
    """A queue that is judged in Label Studio, and the exchange with it."""

    def __init__(self, studio: Studio, settings: Settings, database: Database, pepper: Pepper, **told: Any) -> None:
        queue = {"overlap": 2, "options": ["cat", "dog"], **told}
        super().__init__(database, pepper, ReviewQueue(judged_in=TOOL, **queue))
        self.studio = studio
        self.settings = settings.model_copy(update={"label_studio_url": studio.url, "label_studio_token": TOKEN})

    def exchange(self) -> tuple[int, Counter[str]]:
        """What one exchange did for this queue."""
        done = exchange(self.database, self.settings, Decider(TOOL, self.pepper))
        [mine] = [each for each in done if each.queue_id == self.queue.queue_id]
        return mine.sent, mine.outcomes

    def there(self) -> dict[str, list[dict[str, Any]]]:
        """By our ids the tasks there."""
        found: dict[str, list[dict[str, Any]]] = {}
        for task in self.studio.tasks(self.studio.project()):
            found.setdefault(task["data"]["external_id"], []).append(task)
        return found

    def project(self) -> Any:
        """The newest project there."""
        [found] = [each for each in self.studio.http.get("/api/projects").json()["results"]
                   if each["id"] == self.studio.project()]  # fmt: skip
        return found

    def annotate(self, task_id: str, user: int, words: str | None) -> None:
        """What a user there says of one of our tasks."""
        self.studio.annotate(self.there()[task_id][0]["id"], user, words)


@pytest.fixture
def desk(studio: Studio, settings: Settings, database: Database, pepper: Pepper, request: Any) -> Desk:
    """A queue of the test's own."""
    return Desk(studio, settings, database, pepper, queue_id=request.function.__name__[5:] + f"-{id(studio)}")


def test_items_stand_there_as_the_queue_asks(desk: Desk) -> None:
    """With what was asked and answered, the answer as a prediction too, and a score by which the urgent come first."""
    [first, other] = desk.open(2)

    assert desk.exchange()[0] == 2

    project = desk.project()
    choices = [each.get("value") for each in ElementTree.fromstring(project["label_config"]).iter("Choice")]
    assert (choices, project["maximum_annotations"]) == (["cat", "dog"], 2)
    [task] = desk.there()[first]
    [prediction] = task["predictions"]
    assert task["data"]["outputs"] == "cat" and task["data"]["inputs"].startswith("i-")
    assert prediction["result"][0]["value"] == {"choices": ["cat"]}
    assert 0 <= prediction["score"] <= 1 and desk.there().keys() == {first, other}
    assert desk.claim("somebody") is None, "nobody here is given what is judged there"


def interrupted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """How often each of 120 items is there, where the process dies between sending and noting, three times."""
    opened = desk.open(120)

    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    for _ in range(3):
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(pushing, "record", dies)
            desk.exchange()
    desk.exchange()
    assert desk.there().keys() == set(opened)
    return Counter(len(tasks) for tasks in desk.there().values())


def test_no_item_is_there_twice(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a crash between push and record it is found by its external id; and the next exchange sends nothing."""
    assert interrupted(desk, monkeypatch) == {1: 120}
    assert desk.exchange() == (0, Counter())


def test_a_push_that_does_not_look_is_noticed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted bug: what is not noted is sent, without a look whether it is there."""
    careful = pushing.found
    asked: list[list[str]] = []

    def blind(server: Any, remote: int, task_ids: list[str]) -> dict[str, Any]:
        asked.append(task_ids)
        return {} if len(asked) % 2 else careful(server, remote, task_ids)

    monkeypatch.setattr(pushing, "found", blind)
    assert max(interrupted(desk, monkeypatch)) > 1


def test_half_an_import_is_mended(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Label Studio writes tasks first; one that died before their predictions has them by the next exchange."""
    whole = pushing.task_of
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(pushing, "task_of", lambda *given: {**whole(*given), "predictions": []})
        patched.setattr(pushing, "found", _dies_behind(pushing.found))
        desk.open(2)
        desk.exchange()

    assert desk.exchange()[0] == 0

    assert [len(task["predictions"]) for [task] in desk.there().values()] == [1, 1]


def _dies_behind(careful: Any) -> Any:
    """The second look is never had."""
    looks: list[Any] = []

    def look(*given: Any) -> Any:
        looks.append(given)
        if len(looks) > 1:
            raise KeyboardInterrupt
        return careful(*given)

    return look


def test_annotations_become_labels_once(desk: Desk) -> None:
    """Of each annotator one, in their name; the last brings the verdict; asked again, nothing changes."""
    [agreed, apart, waits] = desk.open(3)
    desk.exchange()
    for task_id, said in ((agreed, ("dog", "dog", "cat")), (apart, ("cat", "dog")), (waits, ("cat",))):
        for user, words in enumerate(said, 7):
            desk.annotate(task_id, user, words)
    desk.annotate(waits, 9, None)
    desk.annotate(waits, 10, "horse")

    first, again = desk.exchange()[1], desk.exchange()[1]

    assert first == {"submitted": 3, "decided": 1, "disputed": 1, "surplus": 1, "unusable": 1}
    assert again == {"known": 1, "unusable": 1}, "what is decided is looked at no more"
    assert sorted(desk.labels()[agreed]) == ["label_studio:7", "label_studio:8"]
    assert desk.labels()[waits] == ["label_studio:7"]
    assert desk.verdicts()[agreed] == 1 and desk.verdicts()[apart] == 0


def test_a_server_that_is_away_loses_nothing(desk: Desk, studio: Studio) -> None:
    """The exchange fails in one line, and the next one goes on."""
    [task] = desk.open(1)
    here = desk.settings
    desk.settings = here.model_copy(update={"label_studio_url": "http://127.0.0.1:9"})

    with pytest.raises(LabelStudioAway, match="does not answer"):
        desk.exchange()

    desk.settings = here
    assert desk.exchange()[0] == 1 and desk.there().keys() == {task}


def test_a_change_of_the_queue_is_told(desk: Desk) -> None:
    """Other options, other choices; the project stays the same one."""
    desk.open(1)
    desk.exchange()
    changed = Desk(desk.studio, desk.settings, desk.database, desk.pepper,
                   queue_id=desk.queue.queue_id, options=["cat", "dog", "cow"])  # fmt: skip

    changed.exchange()

    project = desk.project()
    assert 'value="cow"' in project["label_config"] and "cow" not in str(desk.there())
    assert len(changed.there()) == 1


def test_reviewers_that_a_queue_names_are_those_that_count(
    studio: Studio, settings: Settings, database: Database, pepper: Pepper
) -> None:
    """An annotator is named by tool and id; others are told as unusable."""
    told: dict[str, Any] = {"queue_id": "named", "reviewers": {"label_studio:7": {}}}
    desk = Desk(studio, settings, database, pepper, **told)
    [task] = desk.open(1)
    desk.exchange()
    for user in (7, 8):
        desk.annotate(task, user, "cat")

    assert desk.exchange()[1] == {"submitted": 1, "unusable": 1}


def test_a_personal_token_is_traded(settings: Settings, database: Database, pepper: Pepper) -> None:
    """Such a one is shown once, for one that lasts minutes, as newer servers want it; a legacy one is shown itself."""
    with double() as studio:
        desk = Desk(studio, settings, database, pepper, queue_id="personal")
        desk.open(1)
        desk.settings = desk.settings.model_copy(update={"label_studio_token": "a.b.c"})

        assert desk.exchange()[0] == 1 and studio.shown == {"Bearer traded-a.b.c"}
