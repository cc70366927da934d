"""SageMaker for tests: answers CreateLabelingJob and DescribeLabelingJob on a real socket, as its API says."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class LabelingJobs(BaseHTTPRequestHandler):
    """Keeps jobs as they were asked for; the state of each is what a test sets."""

    jobs: dict[str, Any]
    asked: list[str]

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def do_POST(self) -> None:
        """One operation, named by its header."""
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        operation, name = self.headers["X-Amz-Target"].removeprefix("SageMaker."), told["LabelingJobName"]
        self.asked.append(operation)
        if operation == "CreateLabelingJob":
            if name in self.jobs:
                return self.answer({"__type": "ResourceInUse", "Message": "there is one"}, 400)
            self.jobs[name] = {"request": told, "state": "InProgress", "output": None}
            return self.answer({"LabelingJobArn": f"arn:aws:sagemaker:us-east-1:1:labeling-job/{name}"})
        if name not in self.jobs:
            return self.answer({"__type": "ValidationException", "message": "there is no such job"}, 400)
        job = self.jobs[name]
        found = {name: value for name, value in job["request"].items() if name != "LabelCategoryConfigS3Uri"}
        output = {"LabelingJobOutput": {"OutputDatasetS3Uri": job["output"]}} if job["output"] else {}
        arn = f"arn:aws:sagemaker:us-east-1:1:labeling-job/{name}"
        times = {"CreationTime": 1.0, "LastModifiedTime": 1.0, "JobReferenceCode": "a", "LabelingJobArn": arn}
        state = {"LabelingJobStatus": job["state"], "LabelCounters": {"TotalLabeled": job.get("labelled", 0)}}
        return self.answer({**found, **times, **state, **output})

    def answer(self, body: Any, status: int = 200) -> None:
        """JSON of Amazon's kind."""
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


@contextmanager
def labeling_jobs() -> Iterator[tuple[str, Any]]:
    """The server's address, and its handler with the jobs."""
    handler = type("Fresh", (LabelingJobs,), {"jobs": {}, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", handler
    finally:
        server.shutdown()
        server.server_close()
