"""S3 and SageMaker, as far as the connector needs them; credentials and region are found as the AWS tools find them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from feedback_ingest.errors import FeedbackError, SetupError
from feedback_ingest.settings import Settings


class GroundTruthAway(FeedbackError):
    """Amazon does not answer, or refuses; nothing is lost, the same command goes on from here."""

    code = "ground-truth-away"


class Status(NamedTuple):
    """How a job is doing: its state, how many objects have a label, and where its output is, if there is any."""

    state: str
    labelled: int
    output: str | None


class Amazon:
    """What the settings name: a place on S3, a team of workers, and a role for jobs."""

    def __init__(self, settings: Settings) -> None:
        place, workteam, role = settings.ground_truth_place, settings.ground_truth_workteam, settings.ground_truth_role
        if place is None or workteam is None or role is None:
            raise SetupError(
                "set FEEDBACK_GROUND_TRUTH_PLACE, FEEDBACK_GROUND_TRUTH_WORKTEAM and FEEDBACK_GROUND_TRUTH_ROLE"
            )
        try:
            import boto3
        except ImportError as error:
            raise SetupError("Ground Truth needs boto3: pip install 'feedback-loop[ground-truth]'") from error
        self.place, self.workteam, self.role = place.rstrip("/"), workteam, role
        with told():
            self._s3, self._sagemaker = boto3.client("s3"), boto3.client("sagemaker")
        self.region: str = self._sagemaker.meta.region_name

    def put(self, uri: str, content: bytes) -> None:
        """Writes an object."""
        with told():
            self._s3.put_object(**_named(uri), Body=content)

    def lines(self, uri: str) -> Iterator[bytes]:
        """The lines of an object."""
        with told():
            yield from self._s3.get_object(**_named(uri))["Body"].iter_lines()

    def create(self, request: Mapping[str, Any]) -> None:
        """Makes a labeling job; one that is there already under this name stays as it is."""
        with told():
            try:
                self._sagemaker.create_labeling_job(**request)
            except self._sagemaker.exceptions.ResourceInUse:
                return

    def status(self, name: str) -> Status:
        """How a job is doing."""
        with told():
            found = self._sagemaker.describe_labeling_job(LabelingJobName=name)
        output = found.get("LabelingJobOutput", {}).get("OutputDatasetS3Uri")
        return Status(found["LabelingJobStatus"], found["LabelCounters"].get("TotalLabeled", 0), output)


@contextmanager
def told() -> Iterator[None]:
    """Raises GroundTruthAway, with Amazon's words, for what boto3 raises."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise GroundTruthAway(f"Amazon: {error}") from error


def _named(uri: str) -> dict[str, str]:
    found = urlsplit(uri)
    return {"Bucket": found.netloc, "Key": found.path.lstrip("/")}
