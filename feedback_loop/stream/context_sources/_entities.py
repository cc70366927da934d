"""Whose features are meant: the entity that an inference's inputs name, and the moment of the answer."""

from datetime import datetime
from typing import Any

import orjson

from feedback_loop.stream.context_sources._base import Question, Row


def entity_of(inference: Row, path: str) -> Question | None:
    """The question about one inference; None where its inputs hold no text or number at the dotted `path`."""
    value: Any = None if inference["inputs"] is None else orjson.loads(inference["inputs"])
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    moment = inference["occurred_at"]
    told = moment.isoformat() if isinstance(moment, datetime) else moment
    return Question(inference["inference_request_id"], {"entity": str(value), "at": told})
