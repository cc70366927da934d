"""The methods: the unary ones, with one event or many in the one message, and where the others are."""

from collections.abc import Awaitable, Callable

from api.grpc_door import feedback_pb2 as pb
from api.grpc_door.calls import Call
from api.grpc_door.reading import read_log
from api.grpc_door.receipts import counted, only, receipt_of
from api.grpc_door.streaming import stream_feedback
from feedback_ingest.intake import FEEDBACK, INFERENCE


async def submit_feedback(call: Call) -> None:
    """One feedback event."""
    sender = await call.door.enter(FEEDBACK, call.scope)
    request = await call.request(pb.SubmitFeedbackRequest)
    [verdict] = await call.take(FEEDBACK, [request.event], sender, request.idempotency_key)
    await call.answer(pb.SubmitFeedbackResponse(receipt=only(verdict)))


async def log_inference(call: Call) -> None:
    """One inference record."""
    sender = await call.door.enter(INFERENCE, call.scope)
    request = await call.request(pb.LogInferenceRequest)
    [verdict] = await call.take(INFERENCE, [request.inference], sender)
    await call.answer(pb.LogInferenceResponse(receipt=only(verdict)))


async def submit_feedback_batch(call: Call) -> None:
    """Many feedback events."""
    sender = await call.door.enter(FEEDBACK, call.scope)
    request = await call.request(pb.SubmitFeedbackBatchRequest)
    events = call.sized(request.events)
    verdicts = await call.take(FEEDBACK, events, sender, request.idempotency_key, request.atomic)
    counts = counted(verdicts, request.atomic)
    await call.answer(pb.SubmitFeedbackBatchResponse(counts=counts, receipts=map(receipt_of, verdicts)))


async def log_inference_batch(call: Call) -> None:
    """Many inference records."""
    sender = await call.door.enter(INFERENCE, call.scope)
    request = await call.request(pb.LogInferenceBatchRequest)
    records = call.sized(request.inferences)
    verdicts = await call.take(INFERENCE, records, sender, atomic=request.atomic)
    counts = counted(verdicts, request.atomic)
    await call.answer(pb.LogInferenceBatchResponse(counts=counts, receipts=map(receipt_of, verdicts)))


METHODS: dict[str, Callable[[Call], Awaitable[None]]] = {
    "SubmitFeedback": submit_feedback,
    "SubmitFeedbackBatch": submit_feedback_batch,
    "StreamFeedback": stream_feedback,
    "LogInference": log_inference,
    "LogInferenceBatch": log_inference_batch,
    "ReadLog": read_log,
}
