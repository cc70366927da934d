"""Verdicts of the core as messages: a receipt for each event, the counts of a batch, the refusal of a whole one."""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache

from google.protobuf.timestamp_pb2 import Timestamp

from api.grpc_door import feedback_pb2 as pb
from api.grpc_door.statuses import problem_of
from feedback_ingest.errors import Fault, ValidationFailed
from feedback_ingest.intake import Verdict

STATUS = {
    "accepted": pb.STATUS_ACCEPTED,
    "duplicate": pb.STATUS_DUPLICATE,
    "conflict": pb.STATUS_CONFLICT,
    "refused": pb.STATUS_REFUSED,
}


def receipt_of(verdict: Verdict) -> pb.Receipt:
    """What one event of many is told."""
    appended = verdict.appended
    if verdict.error is not None or appended is None or verdict.received_at is None:
        problem = problem_of(verdict.error) if verdict.error else None
        return pb.Receipt(status=STATUS[verdict.status], id=verdict.id, problem=problem)
    received_at = timestamp(verdict.received_at)
    return pb.Receipt(
        status=STATUS[appended.status], id=verdict.id, offset=appended.log_offset, received_at=received_at
    )


def only(verdict: Verdict) -> pb.Receipt:
    """What the one event of a call is told; raises its refusal or its conflict."""
    if verdict.error is not None:
        raise verdict.error
    return receipt_of(verdict)


def counted(verdicts: Iterable[Verdict], is_whole: bool) -> pb.Counts:
    """How many ended how; raises ValidationFailed for a whole batch that was not stored."""
    counts = dict.fromkeys(STATUS, 0)
    for verdict in verdicts:
        counts[verdict.status] += 1
    if is_whole and (counts["conflict"] or counts["refused"]):
        wrong = [fault for index, verdict in enumerate(verdicts) for fault in _wrong(index, verdict)]
        raise ValidationFailed("Not every event could be stored, so nothing of the batch was.", tuple(wrong))
    return pb.Counts(**counts)


def _wrong(index: int, verdict: Verdict) -> Iterable[Fault]:
    """What an event of a whole batch did wrong; one that was only taken back with its neighbours did nothing."""
    if verdict.error is None:
        return
    for fault in verdict.error.faults or (Fault("", verdict.status),):
        if fault.code != "not-all-accepted":
            yield Fault(f"/events/{index}{fault.pointer}", fault.code)


@lru_cache(maxsize=256)
def timestamp(moment: datetime) -> Timestamp:
    """An aware time as a message; the events of one message share theirs."""
    whole = moment.astimezone(UTC)
    return Timestamp(seconds=int(whole.replace(microsecond=0).timestamp()), nanos=whole.microsecond * 1000)
