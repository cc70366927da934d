"""The player answers with the champion, keeps feedback true to what was answered, and never repeats an id."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from feedback_cli.demo.player import Player
from feedback_cli.demo.recording import Recorded, Recording

START = datetime(1996, 7, 30, tzinfo=UTC)


class Answer(NamedTuple):
    """As a trained model answers."""

    label: str
    probabilities: dict[str, float]


class AlwaysUp:
    """A model that answers UP."""

    def predict(self, inputs: list[Any]) -> list[Answer]:
        """One answer for each input."""
        return [Answer("UP", {"UP": 0.9, "DOWN": 0.1}) for _ in inputs]


class Served:
    """A champion that never moves."""

    def __init__(self, version: str, model: AlwaysUp | None) -> None:
        self.version, self.model = version, model

    def refresh(self) -> bool:
        """Nothing new."""
        return False


class Kept:
    """A sender that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: dict[str, list[dict[str, Any]]] = {"inference": [], "feedback": []}

    def send(self, kind: str, bodies: list[dict[str, Any]]) -> None:
        """Keeps them."""
        self.sent[kind] += bodies


def recording(feedback_type: str = "ground_truth", value: dict[str, Any] | None = None) -> Recording:
    """One inference answered DOWN by m-1, and one feedback on it."""
    inference = {
        "inference_request_id": "i1",
        "model_version": "m-1",
        "occurred_at": START.isoformat(),
        "inputs": {"x": 1.0},
        "outputs": [{"output_id": "A", "content": {"label": "DOWN"}}],
    }
    feedback = {
        "feedback_id": "137956b1-e066-5025-8933-d476aa593d1b",
        "inference_request_id": "i1",
        "model_version": "m-1",
        "feedback_type": feedback_type,
        "feedback_value": value or {"label": "UP"},
        "user_context": {},
        "occurred_at": START.isoformat(),
    }
    return Recording([Recorded(START, "inference", inference), Recorded(START, "feedback", feedback)], 1, "m-1", None)


def play(played: Recording, served: Served) -> tuple[Kept, Player]:
    """Plays to the end, without retrainings."""
    kept = Kept()
    player = Player(played, "prices", 100.0, served, kept, lambda: False, lambda line: None)  # type: ignore[arg-type]
    player.play(threading.Event())
    return kept, player


def test_the_champion_answers_and_is_named() -> None:
    """Answer, version and probabilities are the champion's, in the inference and in the feedback on it."""
    kept, player = play(recording(), Served("m-2", AlwaysUp()))

    [inference], [feedback] = kept.sent["inference"], kept.sent["feedback"]
    assert inference["outputs"][0]["content"] == {"label": "UP"}
    assert inference["outputs"][0]["probabilities"] == [0.9, 0.1]
    assert (inference["model_name"], inference["model_version"]) == ("prices", "m-2")
    assert feedback["model_version"] == "m-2"
    assert feedback["inference_request_id"] == inference["inference_request_id"]
    assert player.score.overall() == {"judged": 1, "loop": 1.0, "frozen": 0.0}


def test_without_an_artifact_the_recorded_answer_is_the_champions() -> None:
    """The first model is only known by what it answered."""
    kept, _ = play(recording(), Served("m-1", None))

    assert kept.sent["inference"][0]["outputs"][0]["content"] == {"label": "DOWN"}
    assert kept.sent["inference"][0]["model_version"] == "m-1"


def test_feedback_about_another_answer_is_left_out() -> None:
    """A thumb was given to the recorded answer; where the champion answers otherwise it would be a lie."""
    thumb = recording("explicit_binary", {"positive": False})

    other, player = play(thumb, Served("m-2", AlwaysUp()))
    same, _ = play(thumb, Served("m-1", None))

    assert other.sent["feedback"] == []
    assert player.left_out == 1
    assert len(same.sent["feedback"]) == 1


def test_two_plays_share_no_id_and_times_are_now() -> None:
    """A second play on the same data directory is new events, not conflicts; the first event happens at its start."""
    first, _ = play(recording(), Served("m-1", None))
    second, _ = play(recording(), Served("m-1", None))

    for kind, name in (("inference", "inference_request_id"), ("feedback", "feedback_id")):
        assert first.sent[kind][0][name] != second.sent[kind][0][name]
    happened = datetime.fromisoformat(first.sent["inference"][0]["occurred_at"])
    assert abs(datetime.now(UTC) - happened) < timedelta(minutes=1)
