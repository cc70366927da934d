"""The desk itself: the champion says what a ticket is about, a wording answers it, customers and agents speak."""

import time
import uuid
from dataclasses import dataclass
from random import Random
from typing import Any

from examples.serving_app import ServingApp, accuracy, now
from examples.support_desk.corpus import Reply, Ticket, reply, ticket, words_of
from examples.support_desk.people import Answered, said_about

COMPARED_SHARE = 0.1
CAREFUL_SHARE = 0.5
MEASURED = 400
WORDINGS = {True: "careful", False: "brisk"}


def inputs_of(text: str) -> dict[str, Any]:
    """What the model is asked: the ticket, and how often each of its words stands in it, which is what it reads."""
    return {"text": text, "words": words_of(text)}


@dataclass
class SupportDesk(ServingApp):
    """Half of the answers are worded carefully, half briskly; some tickets get one of each, to be compared."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.chance = Random(self.plan.seed)

    def measure(self) -> dict[str, dict[str, float]]:
        """Accuracy of every version served so far on tickets that nobody wrote yet, in both ways to write."""
        unseen = {}
        for name, is_later in (("before", False), ("after", True)):
            chance = Random(f"{self.plan.seed} {name}")
            tickets = [ticket(chance, is_later) for _ in range(MEASURED)]
            unseen[name] = [inputs_of(each.text) for each in tickets], [each.topic for each in tickets]
        return {
            version: {name: accuracy(model, *asked) for name, asked in unseen.items()}
            for version, model in list(self.models.items())  # a new champion may come while this is measured
        }

    def _answer(self, count: int) -> None:
        """Takes so many tickets, sorts and answers them, and plans what people will say."""
        if not count:
            return
        tickets = [ticket(self.chance, self.has_drifted) for _ in range(count)]
        version, started = self.served.version, time.perf_counter()
        answers = self.served.model.predict([inputs_of(each.text) for each in tickets])
        took_ms = (time.perf_counter() - started) * 1000 / count
        bodies = []
        for asked, (topic, probabilities) in zip(tickets, answers, strict=True):
            is_careful = self.chance.random() < CAREFUL_SHARE
            is_compared = self.chance.random() < COMPARED_SHARE
            wordings = (is_careful, not is_careful) if is_compared else (is_careful,)
            replies = [reply(self.chance, str(topic), asked.topic, careful) for careful in wordings]
            body = self._inference(version, asked, str(topic), probabilities, took_ms)
            body["outputs"] = [_output(name, str(topic), each, probabilities)
                               for name, each in zip("AB", replies, strict=False)]  # fmt: skip
            body["segments"] = {"wording": WORDINGS[is_careful]}
            told = Answered(body["inference_request_id"], self.plan.model_name, version, asked, str(topic), replies)
            for post in said_about(told, self.chance):
                self._plan(post)
            bodies.append(body)
        self._log(bodies, self.chance)

    def _inference(
        self, version: str, asked: Ticket, topic: str, probabilities: dict[Any, float], took_ms: float
    ) -> dict[str, Any]:
        return {
            "inference_request_id": f"ticket-{uuid.UUID(int=self.chance.getrandbits(128))}",
            "model_name": self.plan.model_name,
            "model_version": version,
            "occurred_at": now().isoformat(),
            "inputs": inputs_of(asked.text),
            "chosen_output_id": "A",
            "latency_ms": round(took_ms, 3),
        }


def _output(name: str, topic: str, given: Reply, probabilities: dict[Any, float]) -> dict[str, Any]:
    shares = [round(float(share), 6) for share in probabilities.values()]
    content = {"label": topic, "text": given.text}
    return {"output_id": name, "content": content, "score": max(shares), "probabilities": shares}
