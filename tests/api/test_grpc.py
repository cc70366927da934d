"""gRPC: the same verdicts as HTTP, told as gRPC tells them."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from sqlalchemy import text
from sqlmodel import Session

from api.grpc_door import feedback_pb2 as pb
from api.grpc_door import generate
from api.grpc_door.statuses import BY_STATUS
from feedback_ingest.errors import every_code
from feedback_ingest.feedback_types import collect
from tests.api.conftest import Client
from tests.api.rpc import Rpc, event, raw, stored
from tests.api.test_corpus import CASES, fresh

MakeKey = Callable[..., str]
BAD = {
    "not JSON": b"{",
    "nothing": b"",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "not a number": b'{"metadata":{"n":NaN}}',
    "a name twice": b'{"model_version":"a","model_version":"b"}',
    "too deep": b'{"metadata":' + b"[" * 40 + b"]" * 40 + b"}",
    "no object": b"[1]",
    "a string": b'"zq7"',
    "too large": raw(event(metadata={"x": "y" * 300_000})),
    "NUL": raw(event(rationale="a\0b")),
    "nil as a name": raw(event(feedback_id=str(uuid.UUID(int=0)))),
    "a bool for a number": raw(event(feedback_type="explicit_rating", feedback_value={"score": True})),
    "the server's fields": raw(event(offset=7)),
}


@pytest.fixture
def rpc(channel: grpc.Channel, make_key: MakeKey) -> Rpc:
    """A client with a server's key that may also read."""
    return Rpc(channel, make_key("ingest", "read", "review"))


@pytest.fixture(scope="module")
def key(make_key: MakeKey) -> str:
    """A server's key for HTTP."""
    return make_key("ingest", "read", "review")


def test_the_generated_code_is_current(tmp_path: Path) -> None:
    """What is committed is what the .proto says; else `python -m api.grpc_door.generate` writes it anew."""
    pytest.importorskip("grpc_tools")

    generate.generate(tmp_path)

    for name in generate.GENERATED:
        assert (tmp_path / name).read_text() == generate.PROTO.with_name(name).read_text(), name


@pytest.mark.parametrize("name", collect().keys())
def test_takes_every_type_and_reads_it_back(client: Client, rpc: Rpc, key: str, name: str) -> None:
    """What is sent over gRPC is what HTTP reads, and sent again over HTTP it is a duplicate at the same offset."""
    for example in collect()[name].examples:
        given = event(feedback_type=name, feedback_value=example)

        receipt = rpc.submit(given)
        stored = client.get(f"/v1/feedback/{given['feedback_id']}", key).json()
        again = client.post("/v1/feedback", key, given)

        assert (receipt.status, receipt.id) == (pb.STATUS_ACCEPTED, given["feedback_id"])
        assert {field: stored[field] for field in given} == given
        assert (again.status_code, again.json()["offset"]) == (200, receipt.offset)


def test_the_corpus_is_answered_as_over_http(client: Client, rpc: Rpc, key: str) -> None:
    """Every case of our corpus, in a batch through both doors: the same status, code and faults for each."""
    for kind, field, method in (
        ("feedback", "events", "SubmitFeedbackBatch"),
        ("inferences", "inferences", "LogInferenceBatch"),
    ):
        cases = [case for case in CASES if case["kind"] == kind]
        request = getattr(pb, f"{method}Request")(**{field: [raw(fresh(case)) for case in cases]})

        over_http = client.post(f"/v1/{kind}/batch", key, {"events": [fresh(case) for case in cases]}).json()
        answer = rpc.call(method, request)

        assert [_item(one) for one in answer.receipts] == [
            (one["status"], one.get("code", ""), [(fault["pointer"], fault["code"]) for fault in one.get("errors", ())])
            for one in over_http["results"]
        ]
        counts = {name: getattr(answer.counts, name) for name in over_http["counts"]}
        assert counts == over_http["counts"] and sum(counts.values()) == len(cases)


@pytest.mark.parametrize("name", BAD)
def test_bad_bytes_are_refused_as_over_http(client: Client, rpc: Rpc, key: str, name: str) -> None:
    """Alone, each has the code and the faults it has over HTTP, and gRPC's status for them; nothing is echoed."""
    problem = client.post("/v1/feedback", key, BAD[name]).json()

    refused = rpc.refused("SubmitFeedback", pb.SubmitFeedbackRequest(event=BAD[name]))
    [receipt] = rpc.batch([BAD[name]]).receipts

    assert (refused.code, refused.faults) == (
        problem["code"], [(fault["pointer"], fault["code"]) for fault in problem["errors"]]
    )  # fmt: skip
    assert refused.status.value[0] == BY_STATUS[problem["status"]]
    assert (receipt.status, receipt.problem.code) == (pb.STATUS_REFUSED, problem["code"])
    assert "zq7" not in refused.text and "yyyy" not in refused.text


def test_every_code_has_a_status() -> None:
    """No error of the closed set is left without a status of gRPC."""
    assert {status for status, _, _ in every_code().values()} <= set(BY_STATUS) | {431}


def test_a_refusal_fits_into_metadata(rpc: Rpc) -> None:
    """However long the pointers to its faults are, the client is told our code and not that metadata is too large."""
    deep: Any = "\0"
    for _ in range(25):
        deep = {"n" * 64: deep}
    bad = event(metadata={f"{n:03}": deep for n in range(30)})

    refused = rpc.refused("SubmitFeedback", pb.SubmitFeedbackRequest(event=raw(bad)))

    assert refused.code == "validation-failed"
    assert 0 < len(refused.faults) < 20


def test_known_and_conflicting(rpc: Rpc) -> None:
    """A retry has the receipt of the first time; other content under the name is ALREADY_EXISTS."""
    given = event()

    first, again = rpc.submit(given), rpc.submit(dict(reversed(given.items())))
    other = rpc.refused("SubmitFeedback", pb.SubmitFeedbackRequest(event=raw(given | {"model_version": "m-2"})))
    [known, conflict] = rpc.batch([given, given | {"model_version": "m-3"}]).receipts

    assert again.status == known.status == pb.STATUS_DUPLICATE
    assert (again.offset, again.received_at) == (first.offset, first.received_at) == (known.offset, known.received_at)
    assert (other.status, other.code) == (grpc.StatusCode.ALREADY_EXISTS, "feedback-id-conflict")
    assert (conflict.status, conflict.problem.code) == (pb.STATUS_CONFLICT, "feedback-id-conflict")


def test_an_inference_is_logged_once(client: Client, rpc: Rpc, key: str) -> None:
    """The same record over both doors is one; other content under its name is a conflict of inferences."""
    record = {
        "inference_request_id": f"inf-{uuid.uuid4()}",
        "model_version": "m-1",
        "outputs": [{"output_id": "A", "content": "UP"}],
    }

    receipt = rpc.call("LogInference", pb.LogInferenceRequest(inference=raw(record))).receipt
    again = client.post("/v1/inferences", key, record)
    other = rpc.refused("LogInference", pb.LogInferenceRequest(inference=raw(record | {"model_version": "m-2"})))

    assert (receipt.id, again.json()["offset"]) == (record["inference_request_id"], receipt.offset)
    assert other.code == "inference-id-conflict"


def test_an_idempotency_key_is_one_key_over_both_doors(client: Client, rpc: Rpc, key: str) -> None:
    """A retry over HTTP of what was sent over gRPC is a duplicate; the key stands for one content."""
    given = event()
    del given["feedback_id"]
    name = f"order-{uuid.uuid4()}"

    receipt = rpc.submit(given, idempotency_key=name)
    again = client.post("/v1/feedback", key, given, **{"Idempotency-Key": name})
    reused = rpc.refused("SubmitFeedback", pb.SubmitFeedbackRequest(event=raw(event()), idempotency_key=name))
    bad = rpc.refused("SubmitFeedback", pb.SubmitFeedbackRequest(event=raw(given), idempotency_key="é"))

    assert (again.status_code, again.json()["feedback_id"]) == (200, receipt.id)
    assert reused.code == "idempotency-key-reused"
    assert (bad.code, bad.faults) == ("validation-failed", [("/idempotency_key", "bad-key")])


def test_an_atomic_batch_is_stored_whole_or_not(rpc: Rpc, session: Session) -> None:
    """One bad event takes all back, and the refusal points at it."""
    good = [event(), event()]

    refused = rpc.refused(
        "SubmitFeedbackBatch",
        pb.SubmitFeedbackBatchRequest(events=map(raw, [*good, event(feedback_type="love")]), atomic=True),
    )
    before = stored(session, good)
    answer = rpc.batch(good, atomic=True)

    assert (refused.code, refused.faults) == ("validation-failed", [("/events/2/feedback_type", "not-allowed")])
    assert before == 0
    assert (answer.counts.accepted, stored(session, good)) == (2, 2)


def test_sizes_are_those_of_http(rpc: Rpc, channel: grpc.Channel) -> None:
    """No events, too many, too many bytes, compressed or not: named and not stored."""
    size = 5_000_000
    for request, code in (
        ([], "validation-failed"),
        ([b"{}"] * 1_001, "batch-too-large"),
        ([b"x" * 4_200_000], "payload-too-large"),
    ):
        refused = rpc.refused("SubmitFeedbackBatch", pb.SubmitFeedbackBatchRequest(events=request))
        assert refused.code == code

    whole = channel.unary_unary("/feedback.v1.FeedbackIngestion/SubmitFeedback")
    for body in (b"\xff\xff", b"\x0a\x05ab"):
        with pytest.raises(grpc.RpcError) as caught:
            whole(body, metadata=rpc.metadata)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
        with pytest.raises(grpc.RpcError) as caught:
            whole(bytes(size), metadata=rpc.metadata, compression=compression)
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    packed = pb.SubmitFeedbackRequest(event=raw(event())).SerializeToString()
    assert whole(packed, metadata=rpc.metadata, compression=grpc.Compression.Gzip)


def test_refusals_are_kept_for_their_sender(rpc: Rpc, session: Session) -> None:
    """An invalid event is held in the quarantine, whole, with code and pointer, as over HTTP."""
    given = event(feedback_value={"positive": "yes"})

    rpc.refused("SubmitFeedback", pb.SubmitFeedbackRequest(event=raw(given)))

    held = "SELECT code, faults, body FROM staging.quarantined_items ORDER BY item_id DESC LIMIT 1"
    code, faults, body = session.execute(text(held)).one()
    assert (code, json.loads(body)) == ("validation-failed", given)
    assert [fault["pointer"] for fault in faults] == ["/feedback_value/positive"]


def test_a_deprecated_version_is_told(rpc: Rpc) -> None:
    """As metadata, with the names of the HTTP headers."""
    old = event(feedback_type="explicit_rating", feedback_value={"score": 5}, schema_version="1.0")

    request = pb.SubmitFeedbackRequest(event=raw(old))
    _, call = rpc.stub.SubmitFeedback.with_call(request, metadata=rpc.metadata)

    assert {"deprecation", "sunset", "link"} <= set(dict(call.trailing_metadata()))


def test_calls_are_counted(client: Client, rpc: Rpc) -> None:
    """Prometheus reads calls by method and status."""
    rpc.submit(event())
    rpc.refused("SubmitFeedback", pb.SubmitFeedbackRequest(event=b"{"))

    told = client.get("/metrics").text
    assert 'feedback_grpc_calls_total{code="OK",method="SubmitFeedback"}' in told
    assert 'feedback_grpc_calls_total{code="INVALID_ARGUMENT",method="SubmitFeedback"}' in told


def _item(receipt: pb.Receipt) -> tuple[str, str, list[tuple[str, str]]]:
    status = pb.Status.Name(receipt.status).removeprefix("STATUS_").lower()
    return status, receipt.problem.code, [(fault.pointer, fault.code) for fault in receipt.problem.errors]
