"""A review queue in the words of SageMaker Ground Truth: manifest, form, request, and the manifest it gives back."""

import re
from collections.abc import Mapping
from html import escape
from typing import Any, NamedTuple

import orjson

from feedback_loop.learning.label_studio import choices_of, words_of
from feedback_loop.learning.reviewing import ReviewQueue

ATTRIBUTE = "verdict"
TASK_ID = "task-id"
DONE = ("Completed", "Stopped", "Failed")
"""States after which a job changes no more; what was labelled until then is in its output."""
NO_ITEM: dict[str, None] = {"inference": None}
# Amazon's own functions for a text of one class, by region: they make the tasks, and make one answer of many.
ACCOUNTS = {
    "us-east-1": 432418664414,
    "us-east-2": 266458841044,
    "us-west-2": 81040173940,
    "ca-central-1": 918755190332,
    "eu-west-1": 568282634449,
    "eu-west-2": 487402164563,
    "eu-central-1": 203001061592,
    "ap-northeast-1": 477331159723,
    "ap-northeast-2": 845288260483,
    "ap-south-1": 565803892007,
    "ap-southeast-1": 377565633583,
    "ap-southeast-2": 454466003867,
}
FORM = """<script src="https://assets.crowd.aws/crowd-html-elements.js"></script>
<crowd-form>
  <crowd-classifier name="crowd-classifier" header="{title}"
      categories="{{{{ task.input.labels | to_json | escape }}}}">
    <classification-target style="white-space: pre-wrap">
      {{{{ task.input.taskObject | escape }}}}
    </classification-target>
    <full-instructions header="Guidelines"><p style="white-space: pre-wrap">{guidelines}</p></full-instructions>
    <short-instructions><p style="white-space: pre-wrap">{guidelines}</p></short-instructions>
  </crowd-classifier>
</crowd-form>
"""


class Job(NamedTuple):
    """What a labeling job needs beside its queue: its name, its folder on S3, who works, as whom it runs, and where."""

    name: str
    folder: str
    workteam: str
    role: str
    region: str


class Consolidated(NamedTuple):
    """What a line of the output says: of which task, which value, and how sure Ground Truth is of it, 0 to 1."""

    task_id: str
    value: dict[str, Any]
    confidence: float


def manifest_line(task: Mapping[str, Any], item: Mapping[str, Any]) -> bytes:
    """One line of the input manifest, without its end; `item` is what a reviewer is shown."""
    inference = item["inference"]
    asked = words_of(inference.get("inputs", inference.get("inputs_ref"))) if inference else ""
    answered = [words_of(output["content"]) for output in inference["outputs"]] if inference else []
    text = "\n\n".join([asked, *(f"Answer: {words}" for words in answered)])
    return orjson.dumps({"source": text, TASK_ID: task["task_id"]})


def categories_of(queue: ReviewQueue) -> bytes:
    """The label category configuration."""
    labels = [{"label": words} for words in choices_of(queue, NO_ITEM)]
    return orjson.dumps({"document-version": "2018-11-28", "labels": labels})


def form_of(queue: ReviewQueue) -> bytes:
    """The workers' page: Liquid puts texts and labels in, escaped, and nothing that the queue says is Liquid."""
    guidelines = re.sub(r"[{}%]", lambda found: f"&#{ord(found[0])};", escape(queue.guidelines))
    return FORM.format(title=escape(title_of(queue)), guidelines=guidelines).encode()


def title_of(queue: ReviewQueue) -> str:
    """What workers see first."""
    return f"Which label is right? ({queue.queue_id})"


def request_of(queue: ReviewQueue, job: Job) -> dict[str, Any]:
    """The CreateLabelingJob request. Raises KeyError for a region in which Ground Truth has no functions of its own."""
    function = f"arn:aws:lambda:{job.region}:{ACCOUNTS[job.region]:012d}:function"
    return {
        "LabelingJobName": job.name,
        "LabelAttributeName": ATTRIBUTE,
        "InputConfig": {"DataSource": {"S3DataSource": {"ManifestS3Uri": f"{job.folder}/input.manifest"}}},
        "OutputConfig": {"S3OutputPath": f"{job.folder}/output"},
        "RoleArn": job.role,
        "LabelCategoryConfigS3Uri": f"{job.folder}/categories.json",
        "HumanTaskConfig": {
            "WorkteamArn": job.workteam,
            "UiConfig": {"UiTemplateS3Uri": f"{job.folder}/form.liquid"},
            "PreHumanTaskLambdaArn": f"{function}:PRE-TextMultiClass",
            "TaskTitle": title_of(queue),
            "TaskDescription": title_of(queue),
            "NumberOfHumanWorkersPerDataObject": queue.overlap,
            "TaskTimeLimitInSeconds": max(30, queue.lease_s),
            "AnnotationConsolidationConfig": {"AnnotationConsolidationLambdaArn": f"{function}:ACS-TextMultiClass"},
        },
    }


def consolidated(queue: ReviewQueue, line: bytes) -> Consolidated | None:
    """What a line of the augmented manifest says; None where it says no label of the queue, as of what failed."""
    try:
        told = orjson.loads(line)
        about = told[f"{ATTRIBUTE}-metadata"]
        value = choices_of(queue, NO_ITEM).get(about["class-name"])
        task_id, confidence = told[TASK_ID], float(about["confidence"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None
    if value is None or not isinstance(task_id, str) or not 0 <= confidence <= 1:
        return None
    return Consolidated(task_id, value, confidence)
