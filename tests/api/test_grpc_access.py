"""Who may call over gRPC, and how much: the keys, scopes and limits of HTTP."""

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from sqlmodel import Session

from api.grpc_door import feedback_pb2 as pb
from tests.api.rpc import Rpc, event, raw, stored

MakeKey = Callable[..., str]
METHODS = pb.DESCRIPTOR.services_by_name["FeedbackIngestion"].methods


@pytest.mark.parametrize("method", [method.name for method in METHODS])
def test_every_method_asks_for_a_key_with_its_scope(channel: grpc.Channel, make_key: MakeKey, method: str) -> None:
    """Without a key, with a wrong one, without the scope: refused before a message is read."""
    real = make_key("ingest")
    wrong, scope = real[:-1] + ("y" if real.endswith("x") else "x"), "ingest" if method == "ReadLog" else "read"
    [declared] = [one for one in METHODS if one.name == method]
    request: Any = getattr(pb, f"{method}Request")()
    given = iter([request]) if declared.client_streaming else request

    without = Rpc(channel, None).refused(method, given)
    false = Rpc(channel, wrong).refused(method, given)
    lacking = Rpc(channel, make_key(scope)).refused(method, given)

    assert without.status == false.status == grpc.StatusCode.UNAUTHENTICATED
    assert (without.code, lacking.code) == ("unauthenticated", "forbidden")
    assert lacking.status == grpc.StatusCode.PERMISSION_DENIED
    assert wrong not in false.text


def test_a_public_key_is_held_to_its_limits(channel: grpc.Channel, make_key: MakeKey) -> None:
    """It sends small feedback of end users and logs no inference."""
    public = Rpc(channel, make_key("ingest:public"))
    large = pb.SubmitFeedbackRequest(event=raw(event(metadata={"x": "y" * 70_000})))

    receipt = public.submit(event())
    inference = public.refused("LogInference", pb.LogInferenceRequest(inference=b"{}"))
    reviewer = public.refused("SubmitFeedback", pb.SubmitFeedbackRequest(event=raw(event(source={"kind": "reviewer"}))))

    assert receipt.status == pb.STATUS_ACCEPTED
    assert (inference.code, reviewer.code) == ("forbidden", "forbidden")
    assert public.refused("SubmitFeedback", large).code == "payload-too-large"


def test_limits_are_told_and_kept(channel: grpc.Channel, make_key: MakeKey, session: Session) -> None:
    """At none left it is RESOURCE_EXHAUSTED with how long to wait, and nothing is stored; bytes cost as well."""
    limited = Rpc(channel, make_key("ingest", events_per_minute=2))
    given = [event() for _ in range(3)]

    request = pb.SubmitFeedbackRequest(event=raw(given[0]))
    _, call = limited.stub.SubmitFeedback.with_call(request, metadata=limited.metadata)
    limited.submit(given[1])
    refused = limited.refused("SubmitFeedback", pb.SubmitFeedbackRequest(event=raw(given[2])))
    bytes_ = Rpc(channel, make_key("ingest", bytes_per_minute=1_000))
    bytes_.refused("SubmitFeedback", pb.SubmitFeedbackRequest(event=b"{" * 2_000))

    assert dict(call.trailing_metadata())["ratelimit-policy"] == '"events";q=2;w=60'
    assert dict(call.trailing_metadata())["ratelimit"].startswith('"events";r=1;')
    assert (refused.status, refused.code) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "quota-exceeded")
    assert refused.retry_s == int(refused.trailing["retry-after"]) >= 1
    assert stored(session, given) == 2
    assert bytes_.refused("SubmitFeedback", pb.SubmitFeedbackRequest(event=raw(event()))).code == "quota-exceeded"
