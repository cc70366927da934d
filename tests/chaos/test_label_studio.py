"""The real Label Studio, killed again and again: 200 items out, 600 annotations back, none lost and none doubled."""

import gzip
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlmodel import Session

from feedback_ingest import log
from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import utc_now
from feedback_ingest.decisions import Decider
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.learning.reviewing import ReviewQueue
from feedback_loop.review.folding import SUBMITTED
from feedback_loop.review.label_studio import pushing
from feedback_loop.review.label_studio.exchange import TOOL, Exchanged, exchange
from feedback_loop.review.opening import NewTask, open_tasks
from feedback_loop.review.queues import ProjectQueues
from tests.chaos.doors import PEPPER, Door
from tests.review.studios import TOKEN, Installed, is_installed
from tests.support.waiting import wait_for

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(not is_installed(), reason="make label-studio has installed none"),
]
SECRET = "a secret of the failure tests"
CONVERTER = Path(__file__).parents[2].parent / "shared" / "data" / "convert_label_errors.py"
ITEMS, PEOPLE = 200, (2, 3, 4)
Said = tuple[str, int]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """A Label Studio that may be killed."""
    made = Installed(tmp_path_factory.mktemp("studio"), PEOPLE[-1])
    yield made.start()
    made.kill()


def items(folder: Path) -> tuple[list[dict[str, Any]], dict[str, list[str]]]:
    """Inferences, and what the three first of their real annotators said; the project's own where the set is absent."""
    if not CONVERTER.exists():
        return _own()
    subprocess.run(
        [sys.executable, str(CONVERTER), str(folder), str(ITEMS)], check=True, capture_output=True, timeout=60
    )
    inferences = _lines(folder / "inferences.jsonl.gz")[:ITEMS]
    said: dict[str, list[str]] = {each["inference_request_id"]: [] for each in inferences}
    for each in _lines(folder / "feedback.jsonl.gz"):
        if each["inference_request_id"] in said and "label" in each["feedback_value"]:
            said[each["inference_request_id"]].append(str(each["feedback_value"]["label"]))
    return inferences, {name: (labels * 3)[:3] for name, labels in said.items()}


def _own() -> tuple[list[dict[str, Any]], dict[str, list[str]]]:
    inferences = [
        {
            "inference_request_id": f"own-{n}",
            "model_version": "m1",
            "inputs": {"text": f"item {n}"},
            "outputs": [{"output_id": "A", "content": {"label": str(n % 7)}}],
        }
        for n in range(ITEMS)
    ]
    labels = {f"own-{n}": [str(n % 7), str((n + n % 3) % 7), str((n + n % 2) % 7)] for n in range(ITEMS)}
    return inferences, labels


def _lines(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


class Round:
    """A queue of real items, an API that Label Studio calls back, and annotators who try again what failed."""

    def __init__(self, studio: Installed, database: Database, folder: Path) -> None:
        self.studio, self.database = studio, database
        self.pepper = Pepper(PEPPER.encode())
        named = {"label_studio_url": studio.url, "label_studio_token": TOKEN, "label_studio_secret": SECRET}
        self.door = Door(database.asyncpg_dsn, folder / "door", "", is_whole=True, **named)
        named["label_studio_callback"] = self.door.url
        self.settings = Settings(data_dir=folder, database_url=database.url, pepper=PEPPER, **named)
        inferences, self.words = items(folder)
        self.tasks = self._opened(inferences)

    def _opened(self, inferences: list[dict[str, Any]]) -> dict[str, str]:
        queue, decider, now = (
            ReviewQueue(queue_id="mturk", overlap=3, judged_in=TOOL),
            Decider("boss", self.pepper),
            utc_now(),
        )
        names = [each["inference_request_id"] for each in inferences]
        facts = [Fact(1, "inference", name, body, now) for name, body in zip(names, inferences, strict=True)]
        with Session(self.database.engine) as session:
            ProjectQueues(session, 1).define(queue, decider, True, now)
            log.append(session, facts, now, self.pepper)
            session.commit()
            opened = open_tasks(session, 1, queue, [NewTask(inference_request_id=name) for name in names], decider, now)
            session.commit()
        return dict(zip(opened, names, strict=True))

    def exchange(self) -> Exchanged:
        """One exchange, whole."""
        [done] = exchange(self.database, self.settings, Decider(TOOL, self.pepper))
        return done

    def exchange_and_die(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """One exchange that dies when the first hundred are there, before it has noted so."""

        def dies(*_: Any) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(pushing, "record", dies)
            self.exchange()

    def there(self) -> dict[str, list[dict[str, Any]]]:
        """By our ids the tasks there."""
        found: dict[str, list[dict[str, Any]]] = {}
        for task in self.studio.tasks(self.studio.project()):
            found.setdefault(task["data"]["external_id"], []).append(task)
        return found

    def missing(self) -> list[Said]:
        """Which annotations are not there yet."""
        there = self.there()
        done = {(name, by) for name, [task] in there.items() for by in (a["completed_by"] for a in task["annotations"])}
        return [(name, person) for name in sorted(there) for person in PEOPLE if (name, person) not in done]

    def annotate(self, wanted: list[Said]) -> None:
        """Annotates as the real people did, until the server goes away."""
        there = self.there()
        for name, person in wanted:
            task = there[name][0]
            words = self.words[self.tasks[name]][PEOPLE.index(person)]
            shown = [each["value"] for each in task["data"]["options"]]
            try:
                self.studio.annotate(task["id"], person, words, is_typed=words not in shown)
            except httpx.HTTPError:
                return

    def labels(self) -> Counter[Said]:
        """By task and person, how many labels the log holds."""
        with Session(self.database.engine) as session:
            rows = log.read(session, 0, 1_000_000, [SUBMITTED])
        return Counter((row.body["subject"], int(row.body["actor"].removeprefix(f"{TOOL}:"))) for row in rows)

    def expected(self) -> dict[str, int]:
        """By task how many verdicts there are to be: one where two of three agree."""
        return {task: int(max(Counter(self.words[name]).values()) > 1) for task, name in self.tasks.items()}

    def verdicts(self) -> dict[str, int]:
        """By task how many verdicts the log holds."""
        with Session(self.database.engine) as session:
            rows = log.read(session, 0, 1_000_000, ["feedback"])
        found = Counter(row.body["feedback_value"]["task_id"] for row in rows)
        return {task: found[task] for task in self.tasks}


def test_two_hundred_items_go_there_and_come_back(
    studio: Installed, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By webhook, and by asking where that was lost, with server, API and connector killed in between."""
    done = Round(studio, database, tmp_path)

    done.exchange_and_die(monkeypatch)
    studio.kill()
    studio.start()
    assert done.exchange().sent == ITEMS - 100, "a hundred were there already"
    assert {len(tasks) for tasks in done.there().values()} == {1} and done.there().keys() == done.tasks.keys()

    done.door.start()
    told = done.missing()[:150]
    done.annotate(told)
    wait_for(lambda: done.labels().keys() == set(told), 60, "what was told of to be labels")

    left = done.missing()
    annotating = threading.Thread(target=done.annotate, args=(left[:300],))
    annotating.start()
    wait_for(lambda: done.labels().total() > 200, 120, "some of them to be told of")
    studio.kill()
    annotating.join()
    done.door.kill()
    studio.start()
    done.annotate(done.missing())
    assert done.missing() == []
    by_webhook = done.labels().total()

    outcomes = Counter[str]()
    for _ in range(2):
        outcomes += done.exchange().outcomes
    done.door.close()

    everything = {(task, person) for task in done.tasks for person in PEOPLE}
    assert done.labels() == Counter(dict.fromkeys(everything, 1))
    assert 200 < by_webhook < len(everything), "some came by webhook, some by asking"
    assert sum(outcomes[each] for each in ("submitted", "decided", "disputed")) == len(everything) - by_webhook
    assert done.verdicts() == done.expected()
