"""Plays a recording through the real API: the current champion answers each record, time moves to now."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from feedback_cli.demo.batch_sender import BatchSender
from feedback_cli.demo.event_clock import EventClock
from feedback_cli.demo.prequential import Prequential, answered_label, told_label
from feedback_cli.demo.recording import Recorded, Recording
from feedback_ingest.clock import monotonic_s, new_id, utc_now
from feedback_loop.registry.served_model import ServedModel

TICK_S = 0.1
LONGEST_HOLD_S = 120.0
ABOUT_THE_ANSWER = ("explicit_binary", "explicit_rating", "explicit_comment", "implicit_signal")


@dataclass
class Player:
    """One play. `is_training` is asked every tick; while it says yes event time stands still."""

    recording: Recording
    model_name: str
    rate: float
    served: ServedModel
    sender: BatchSender
    is_training: Callable[[], bool]
    say: Callable[[str], None]
    score: Prequential = field(default_factory=Prequential)
    held_s: list[float] = field(default_factory=list)
    served_from: dict[str, datetime] = field(default_factory=dict)
    played: int = 0
    left_out: int = 0
    _play_id: UUID = field(default_factory=new_id)
    _answered: dict[str, tuple[str, bool]] = field(default_factory=dict)

    def play(self, stop: threading.Event) -> None:
        """Plays to the end, or until `stop`; raises ApiWentAway."""
        speed = max(self.recording.span_s, 1.0) / (self.recording.inferences / self.rate)
        clock = EventClock(self.recording.begins, utc_now(), monotonic_s(), speed)
        self.score.expect(self.recording.inferences)
        with ThreadPoolExecutor(2) as posting:
            while self.played < len(self.recording.events) and not stop.wait(TICK_S):
                if self.served.refresh():
                    self.served_from[self.served.version] = utc_now()
                self._hold_while_training(clock)
                if not clock.is_held:
                    self._play_due(clock, posting)

    def _hold_while_training(self, clock: EventClock) -> None:
        if self.is_training():
            clock.hold(monotonic_s())
        elif clock.is_held:
            stood_s = clock.release(monotonic_s())
            self.held_s.append(stood_s)
            self.say(
                f"event time stood still for {stood_s:.1f} s while a retraining ran; serving {self.served.version}"
            )

    def _play_due(self, clock: EventClock, posting: ThreadPoolExecutor) -> None:
        due = clock.recorded_now(monotonic_s())
        events = self.recording.events
        end = self.played
        while end < len(events) and events[end].occurred_at <= due:
            end += 1
        batch, self.played = events[self.played : end], end
        inferences = self._inferences([event for event in batch if event.kind == "inference"], clock)
        feedback = [body for event in batch if event.kind == "feedback" and (body := self._feedback(event, clock))]
        sending = [
            posting.submit(self.sender.send, "inference", inferences),
            posting.submit(self.sender.send, "feedback", feedback),
        ]
        for sent in sending:
            sent.result()

    def _inferences(self, records: list[Recorded], clock: EventClock) -> list[dict[str, Any]]:
        answers: list[Any] = [None] * len(records)
        if self.served.model is not None and records:
            answers = self.served.model.predict([record.body["inputs"] for record in records])
        return [self._inference(record, answer, clock) for record, answer in zip(records, answers, strict=True)]

    def _inference(self, record: Recorded, answer: Any, clock: EventClock) -> dict[str, Any]:
        """The record under an id of this play, with the champion's answer; without an artifact the recorded one."""
        body = dict(record.body)
        recorded_id, recorded_label = body["inference_request_id"], answered_label(body)
        version = self.served.version if answer is not None else body["model_version"]
        if answer is not None:
            label, probabilities = answer
            shares = [round(float(share), 6) for share in probabilities.values()]
            content, score = {"label": label}, max(shares)
            body["outputs"] = [{"output_id": "A", "content": content, "score": score, "probabilities": shares}]
            body.pop("chosen_output_id", None)
            body.pop("confidence", None)
        label = answered_label(body)
        self._answered[recorded_id] = (version, label == recorded_label)
        self.score.answered(recorded_id, loop=label, frozen=recorded_label)
        return self._as_played(body, version, record.occurred_at, clock)

    def _feedback(self, record: Recorded, clock: EventClock) -> dict[str, Any] | None:
        """The feedback as said about the answer of this play; None where it was about another answer."""
        body = dict(record.body)
        version, is_same_answer = self._answered.get(body["inference_request_id"], (self.recording.model_version, True))
        if body["feedback_type"] in ABOUT_THE_ANSWER and not is_same_answer:
            self.left_out += 1
            return None
        self.score.told(body["inference_request_id"], told_label(body))
        body["feedback_id"] = self._played_feedback(body["feedback_id"])
        if "supersedes" in body:
            body["supersedes"] = self._played_feedback(body["supersedes"])
        if body["feedback_type"] == "retraction":
            value = body["feedback_value"]
            body["feedback_value"] = {**value, "retracts": self._played_feedback(value["retracts"])}
        return self._as_played(body, version, record.occurred_at, clock)

    def _as_played(self, body: dict[str, Any], version: str, recorded: datetime, clock: EventClock) -> dict[str, Any]:
        """Under ids of this play, so that it never meets an earlier one on the same data directory."""
        played = {
            "inference_request_id": f"{body['inference_request_id'][:200]}~{self._play_id.hex[-12:]}",
            "model_name": self.model_name,
            "model_version": version,
            "occurred_at": clock.event_time(recorded).isoformat(),
        }
        return {**body, **played}

    def _played_feedback(self, recorded_id: str) -> str:
        return str(uuid5(self._play_id, recorded_id))
