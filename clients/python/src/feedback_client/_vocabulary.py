"""One method for each thing there is to say; `send` is what differs: queue it, send it now, await it, or build it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar, Unpack

from feedback_client.shapes import Envelope, ExposedItem, InferenceDetails, Label, Output

Sent = TypeVar("Sent")


class Vocabulary(ABC, Generic[Sent]):
    """What can be said. Each method builds one event and returns what `send` makes of it.

    The first argument is always the `inference_request_id` the feedback is about; every method takes the keywords of
    `Envelope` (`model_version`, `user_id`, `tags`, ...). Keywords given as None are left out.
    """

    @abstractmethod
    def send(self, event: Mapping[str, object]) -> Sent:
        """Takes one feedback event in the contract's own form (see `FeedbackEvent`)."""

    @abstractmethod
    def send_inference(self, record: Mapping[str, object]) -> Sent:
        """Takes one inference record in the contract's own form."""

    def _say(self, kind: str, about: str, value: dict[str, object], envelope: Envelope) -> Sent:
        event: dict[str, object] = {
            "inference_request_id": about,
            "feedback_type": kind,
            "feedback_value": _known(value),
            **_known({name: told for name, told in envelope.items() if name not in ("user_id", "session_id")}),
        }
        person = _known({name: envelope.get(name) for name in ("user_id", "session_id")})
        if person:
            event["user_context"] = {**(envelope.get("user_context") or {}), **person}
        return self.send(event)

    def correction(
        self,
        inference_request_id: str,
        *,
        corrected_text: str | None = None,
        corrected_label: Label | None = None,
        corrected_labels: Sequence[Label] | None = None,
        corrected_output: Mapping[str, Any] | Sequence[Any] | None = None,
        reason_codes: Sequence[str] | None = None,
        **envelope: Unpack[Envelope],
    ) -> Sent:
        """What the answer should have been: exactly one of the `corrected_...` arguments."""
        value: dict[str, object] = {
            "corrected_text": corrected_text,
            "corrected_label": corrected_label,
            "corrected_labels": corrected_labels,
            "corrected_output": corrected_output,
            "reason_codes": reason_codes,
        }
        return self._say("explicit_correction", inference_request_id, value, envelope)

    def rating(
        self,
        inference_request_id: str,
        score: float,
        *,
        scale_min: float | None = None,
        scale_max: float | None = None,
        comment: str | None = None,
        **envelope: Unpack[Envelope],
    ) -> Sent:
        """A score on a scale, 1 to 5 unless another is stated."""
        value: dict[str, object] = {"score": score, "scale_min": scale_min, "scale_max": scale_max, "comment": comment}
        return self._say("explicit_rating", inference_request_id, value, envelope)

    def thumb(
        self,
        inference_request_id: str,
        positive: bool,
        *,
        reason_codes: Sequence[str] | None = None,
        comment: str | None = None,
        corrected_text: str | None = None,
        **envelope: Unpack[Envelope],
    ) -> Sent:
        """Thumb up (`positive` true) or down."""
        value: dict[str, object] = {
            "positive": positive,
            "reason_codes": reason_codes,
            "comment": comment,
            "corrected_text": corrected_text,
        }
        return self._say("explicit_binary", inference_request_id, value, envelope)

    def label(
        self,
        inference_request_id: str,
        label: Label | None = None,
        *,
        labels: Sequence[Label] | None = None,
        **envelope: Unpack[Envelope],
    ) -> Sent:
        """What the input is, by someone's judgement: one label or several."""
        return self._say("explicit_label", inference_request_id, {"label": label, "labels": labels}, envelope)

    def comment(self, inference_request_id: str, text: str, **envelope: Unpack[Envelope]) -> Sent:
        """A remark of up to 10,000 characters."""
        return self._say("explicit_comment", inference_request_id, {"text": text}, envelope)

    def ranking(
        self, inference_request_id: str, ranking: Sequence[str | Sequence[str]], **envelope: Unpack[Envelope]
    ) -> Sent:
        """Output ids from best to worst; a list inside the list is a tie."""
        return self._say("explicit_ranking", inference_request_id, {"ranking": ranking}, envelope)

    def preference(
        self,
        inference_request_id: str,
        preferred_output_id: str,
        rejected_output_id: str | None = None,
        *,
        tie: bool | None = None,
        strength: float | None = None,
        **envelope: Unpack[Envelope],
    ) -> Sent:
        """One output is better than another, which is implied where the inference logged two."""
        value: dict[str, object] = {
            "preferred_output_id": preferred_output_id,
            "rejected_output_id": rejected_output_id,
            "tie": tie,
            "strength": strength,
        }
        return self._say("preference_pair", inference_request_id, value, envelope)

    def click(
        self,
        inference_request_id: str,
        item_id: str,
        *,
        position: int | None = None,
        dwell_ms: int | None = None,
        clicked: bool | None = None,
        **envelope: Unpack[Envelope],
    ) -> Sent:
        """A shown item was clicked, or looked at and left (`clicked` false); `position` counts from 0."""
        value: dict[str, object] = {
            "item_id": item_id,
            "position": position,
            "dwell_ms": dwell_ms,
            "clicked": clicked,
        }
        return self._say("implicit_click", inference_request_id, value, envelope)

    def exposure(self, inference_request_id: str, items: Sequence[ExposedItem], **envelope: Unpack[Envelope]) -> Sent:
        """The items that were shown, with their places: the denominator of every click rate."""
        return self._say("exposure", inference_request_id, {"items": items}, envelope)

    def signal(
        self,
        inference_request_id: str,
        signal: str,
        value: float | bool | str,
        *,
        unit: str | None = None,
        **envelope: Unpack[Envelope],
    ) -> Sent:
        """Something measured while the answer was used: `dwell_time`, `copy`, `regenerate`, `abandon`, ..."""
        said: dict[str, object] = {"signal": signal, "value": value, "unit": unit}
        return self._say("implicit_signal", inference_request_id, said, envelope)

    def ground_truth(
        self,
        inference_request_id: str,
        label: Label | None = None,
        *,
        value: float | None = None,
        output: Mapping[str, Any] | Sequence[Any] | str | None = None,
        **envelope: Unpack[Envelope],
    ) -> Sent:
        """What turned out to be true: exactly one of `label`, `value` (a number) and `output`."""
        said: dict[str, object] = {"label": label, "value": value, "output": output}
        return self._say("ground_truth", inference_request_id, said, envelope)

    def reward(
        self, inference_request_id: str, reward: float, *, terminal: bool | None = None, **envelope: Unpack[Envelope]
    ) -> Sent:
        """A number from an environment or a program; `terminal` ends an episode."""
        return self._say("reward", inference_request_id, {"reward": reward, "terminal": terminal}, envelope)

    def safety_flag(
        self, inference_request_id: str, category: str, severity: int, **envelope: Unpack[Envelope]
    ) -> Sent:
        """The answer is harmful: what kind of harm, and how bad, 1 to 4."""
        value: dict[str, object] = {"category": category, "severity": severity}
        return self._say("safety_flag", inference_request_id, value, envelope)

    def retract(
        self, inference_request_id: str, retracts: str, *, reason: str | None = None, **envelope: Unpack[Envelope]
    ) -> Sent:
        """Takes the feedback with the feedback_id `retracts` back; nothing is deleted."""
        return self._say("retraction", inference_request_id, {"retracts": retracts, "reason": reason}, envelope)

    def log_inference(
        self,
        inference_request_id: str | None = None,
        answer: Any = None,
        *,
        outputs: Sequence[Output] | None = None,
        probabilities: Sequence[float] | Mapping[str, float] | None = None,
        **details: Unpack[InferenceDetails],
    ) -> Sent:
        """One answer of a model: either `answer` (a label, a text, any JSON) or several `outputs`.

        `probabilities` belong to `answer`. Without an id one is made.
        """
        told: object = outputs
        if outputs is None and answer is not None:
            told = [_known({"output_id": "1", "content": answer, "probabilities": probabilities})]
        return self.send_inference(_known({"inference_request_id": inference_request_id, "outputs": told, **details}))


class Spoken(Vocabulary[Sent]):
    """The same methods with another end: what they build goes to the two functions given."""

    def __init__(
        self,
        send: Callable[[Mapping[str, object]], Sent],
        send_inference: Callable[[Mapping[str, object]], Sent],
    ) -> None:
        self._send = send
        self._send_inference = send_inference

    def send(self, event: Mapping[str, object]) -> Sent:
        """Passes the event on."""
        return self._send(event)

    def send_inference(self, record: Mapping[str, object]) -> Sent:
        """Passes the record on."""
        return self._send_inference(record)


def _known(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


build: Spoken[dict[str, Any]] = Spoken(dict, dict)
"""Only builds: `build.rating("req-1", 4, model_version="7")` is the event as a dict, for `send_batch` or a test."""
