"""Ground Truth as a place to judge, over S3: an item is in one job, its answer counts once, nothing is paid twice."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlmodel import Session

from feedback_ingest import log
from feedback_ingest.canonical import Pepper
from feedback_ingest.decisions import Decider
from feedback_ingest.errors import SetupError
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.learning.reviewing import ReviewQueue
from feedback_loop.review.ground_truth import jobs
from feedback_loop.review.ground_truth.amazon import Amazon, GroundTruthAway
from tests.review.labeling_jobs import labeling_jobs
from tests.review.reviewers import Office

PLACE = "s3://labels/jobs"
TEAM, ROLE = "arn:aws:sagemaker:us-east-1:1:workteam/private-crowd/us", "arn:aws:iam::1:role/labels"


@pytest.fixture(scope="module")
def s3() -> Iterator[tuple[str, Any]]:
    """The URL of an S3 with a bucket `labels`, and a client for it."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    boto3 = pytest.importorskip("boto3")
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    known = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=url, **known)
    client.create_bucket(Bucket="labels")
    yield url, client
    server.stop()


@pytest.fixture(scope="module")
def jobs_there() -> Iterator[tuple[str, Any]]:
    """The URL of a SageMaker, and its jobs."""
    with labeling_jobs() as found:
        yield found


@pytest.fixture
def sagemaker(s3: tuple[str, Any], jobs_there: tuple[str, Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The jobs there, with what the AWS tools look for to find both."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_S3": s3[0],
        "AWS_ENDPOINT_URL_SAGEMAKER": jobs_there[0],
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    return jobs_there[1]


class Crowd(Office):
    """A queue that is judged in Ground Truth, and its workers there."""

    def __init__(
        self, s3: Any, sagemaker: Any, settings: Settings, database: Database, pepper: Pepper, name: str
    ) -> None:
        queue = ReviewQueue(queue_id=name, options=["cat", "dog"], overlap=3, more_than=0.6, judged_in=jobs.TOOL)
        super().__init__(database, pepper, queue)
        named = {"ground_truth_place": PLACE, "ground_truth_workteam": TEAM, "ground_truth_role": ROLE}
        self.settings = settings.model_copy(update=named)
        self.s3, self.sagemaker, self.decider = s3[1], sagemaker, Decider("boss", pepper)

    def start(self) -> str | None:
        """The job that is started."""
        return jobs.start(self.database, Amazon(self.settings), "default", self.queue.queue_id, self.decider)

    def collect(self) -> dict[str, Any]:
        """By job what was found."""
        found = jobs.collect(self.database, Amazon(self.settings), self.decider)
        return {each.name: each for each in found if each.queue_id == self.queue.queue_id}

    def read(self, uri: str) -> str:
        """An object's text."""
        place = urlsplit(uri)
        return str(self.s3.get_object(Bucket=place.netloc, Key=place.path[1:])["Body"].read().decode())

    def manifest(self, name: str) -> list[dict[str, Any]]:
        """The objects of a job."""
        request = self.sagemaker.jobs[name]["request"]
        lines = self.read(request["InputConfig"]["DataSource"]["S3DataSource"]["ManifestS3Uri"]).splitlines()
        return [json.loads(line) for line in lines]

    def finish(self, name: str, said: dict[str, tuple[str, float] | None], state: str = "Completed") -> None:
        """Writes the augmented manifest as Ground Truth does: what failed has a reason and no label."""
        job, lines = self.sagemaker.jobs[name], []
        for each in self.manifest(name):
            found = said[each["task-id"]]
            about: dict[str, Any] = {"failure-reason": "ClientError: no answer"}
            if found is not None:
                about = {"class-name": found[0], "confidence": found[1], "type": "groundtruth/text-classification",
                         "job-name": f"labeling-job/{name}", "human-annotated": "yes"}  # fmt: skip
                each["verdict"] = ["cat", "dog"].index(found[0])
            lines.append(json.dumps({**each, "verdict-metadata": about}))
        key = f"jobs/{name}/output/{name}/manifests/output/output.manifest"
        self.s3.put_object(Bucket="labels", Key=key, Body="\n".join(lines).encode())
        job |= {
            "state": state,
            "output": f"s3://labels/{key}",
            "labelled": sum(each is not None for each in said.values()),
        }

    def verdict(self, task_id: str) -> dict[str, Any]:
        """The verdict on a task, as it stands in the log."""
        with self.session() as session:
            rows = log.read(session, 0, 1_000_000, ["feedback"])
        [found] = [row.body for row in rows if row.body["feedback_value"]["task_id"] == task_id]
        return found


@pytest.fixture
def crowd(
    s3: Any, sagemaker: Any, settings: Settings, database: Database, pepper: Pepper, request: pytest.FixtureRequest
) -> Crowd:
    """A queue of the test's own."""
    return Crowd(s3, sagemaker, settings, database, pepper, request.function.__name__[5:])


def test_a_job_asks_what_the_queue_asks(crowd: Crowd) -> None:
    """Its request is one that Amazon's own model of it takes, and what it names is there."""
    opened = crowd.open(3)

    name = crowd.start()

    assert name is not None and crowd.start() is None
    request = crowd.sagemaker.jobs[name]["request"]
    task = request["HumanTaskConfig"]
    assert (task["NumberOfHumanWorkersPerDataObject"], task["WorkteamArn"], request["RoleArn"]) == (3, TEAM, ROLE)
    assert task["PreHumanTaskLambdaArn"] == "arn:aws:lambda:us-east-1:432418664414:function:PRE-TextMultiClass"
    assert {each["task-id"] for each in crowd.manifest(name)} == set(opened)
    assert all(each["source"].endswith("Answer: cat") for each in crowd.manifest(name))
    categories = json.loads(crowd.read(request["LabelCategoryConfigS3Uri"]))
    assert [each["label"] for each in categories["labels"]] == ["cat", "dog"]
    assert "task.input.taskObject | escape" in crowd.read(task["UiConfig"]["UiTemplateS3Uri"])


def test_what_a_job_found_becomes_verdicts(crowd: Crowd) -> None:
    """Sure enough it is a verdict with its confidence, else an expert's; what failed is open for the next job."""
    [sure, unsure, failed] = crowd.open(3)
    name = crowd.start()
    assert name is not None and crowd.collect()[name].state == "InProgress"

    crowd.finish(name, {sure: ("dog", 0.93), unsure: ("cat", 0.51), failed: None})
    found = crowd.collect()[name]

    assert (found.state, found.outcomes) == ("Completed", {"decided": 1, "disputed": 1, "unusable": 1})
    body = crowd.verdict(sure)
    assert body["feedback_type"] == "review_label" and body["confidence"] == 0.93
    assert body["feedback_value"] == {
        "label": "dog", "task_id": sure, "annotators": [f"ground_truth:{name}"], "method": "ground_truth",
    }  # fmt: skip
    assert crowd.labels() == {sure: [f"ground_truth:{name}"], unsure: [f"ground_truth:{name}"]}
    again = crowd.start()
    assert again is not None and {each["task-id"] for each in crowd.manifest(again)} == {failed}
    assert name not in crowd.collect(), "what is collected is looked at no more"


def test_nothing_is_paid_twice(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the process dies around CreateLabelingJob, the next start goes on with that job; and so does collecting."""
    opened = crowd.open(4)

    def dies(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    for step in ("put", "create"):
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(Amazon, step, dies)
            crowd.start()
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(jobs, "_tell", dies)
        crowd.start()
    name = crowd.start()
    mine = [each for each in crowd.sagemaker.jobs if each.startswith("nothing-is-paid-twice")]
    assert name is not None and mine == [name] and crowd.start() is None
    crowd.finish(name, dict.fromkeys(opened, ("dog", 0.9)))
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(jobs, "forget", dies)
        crowd.collect()

    assert crowd.collect()[name].outcomes == {"known": 4}

    assert {task: crowd.verdicts()[task] for task in opened} == dict.fromkeys(opened, 1)


def test_a_start_that_forgets_its_name_is_noticed(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted bug: items are noted as out only when the job is there, so a crash has them labelled twice."""
    crowd.open(2)
    kept: list[Any] = []
    monkeypatch.setattr(jobs, "record", lambda *given: kept.append(given))
    monkeypatch.setattr(jobs, "named", lambda session, at, names: jobs.unsent(session, at, jobs.MOST))
    monkeypatch.setattr(jobs, "_tell", lambda *_: None)

    crowd.start()
    crowd.start()

    mine = [each for each in crowd.sagemaker.jobs if each.startswith("a-start-that-forgets")]
    asked = [each["task-id"] for name in mine for each in crowd.manifest(name)]
    assert len(asked) > len(set(asked))


def test_a_job_that_amazon_forgot_holds_up_no_other(crowd: Crowd) -> None:
    """The others are collected first, and then it is told."""
    [gone] = crowd.open(1)
    lost = crowd.start()
    crowd.sagemaker.jobs.pop(lost)
    [here] = crowd.open(1)
    name = crowd.start()
    assert gone != here and name is not None
    crowd.finish(name, {here: ("cat", 1.0)})

    with pytest.raises(GroundTruthAway, match="no such job"):
        crowd.collect()

    assert crowd.verdicts()[here] == 1
    crowd.sagemaker.jobs[lost] = {"request": crowd.sagemaker.jobs[name]["request"], "state": "Failed", "output": None}


def test_a_job_that_was_stopped_gives_what_it_has(crowd: Crowd) -> None:
    """Half of it labelled is half of it judged; the rest is open again."""
    [one, other] = crowd.open(2)
    name = crowd.start()
    assert name is not None
    crowd.finish(name, {one: ("cat", 1.0), other: None}, "Stopped")

    assert crowd.collect()[name].outcomes == {"decided": 1, "unusable": 1}
    with crowd.session() as session:
        assert [row["task_id"] for row in jobs.unsent(session, _bound(crowd, session), 10)] == [other]


def _bound(crowd: Crowd, session: Session) -> jobs.Bound:
    return next(each for each in jobs.bound(session, jobs.TOOL) if each.queue == crowd.queue)


def test_an_amazon_that_is_away_or_not_named_is_told_in_a_line(
    crowd: Crowd, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What to set, or what Amazon said."""
    with pytest.raises(SetupError, match="FEEDBACK_GROUND_TRUTH_PLACE"):
        Amazon(settings)
    crowd.open(1)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    with pytest.raises(GroundTruthAway, match="Could not connect"):
        crowd.start()
    monkeypatch.setenv("AWS_DEFAULT_REGION", "af-south-1")
    with pytest.raises(SetupError, match="af-south-1"):
        crowd.start()
