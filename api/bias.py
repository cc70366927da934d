"""Bias over HTTP: who answers against who is served, what that does to a figure, and what was found wrong."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.access import Reading, ReadKey
from feedback_loop.learning.bias import report_told
from feedback_loop.stream.hearing import bias_of

router = APIRouter(tags=["loop"])


@router.get("/v1/bias", summary="Who answers, against who is served")
def show_bias(
    sender: ReadKey, session: Reading, model_name: Annotated[str | None, Query(max_length=256)] = None
) -> dict[str, Any]:
    """For each model: answers and negatives by segment, and what is biased.

    It looks at the newest 20,000 inferences of a model among the last 500,000 events. Where no model is named, the
    first ten by name are told. Who is suspended or held is left out.

    Kinds of findings: `response`, `negatives`, `confidence`, `disparity`, `position`. It takes 200 answered inferences
    to judge by; `note` says where there are fewer. `reweighted` is the mean outcome had all who were served answered
    alike within their segment; `weight` is what an answer is to count for then. `liking` is the mean of thumbs and
    ratings as they came, and with each person's influence bounded.
    """
    found = bias_of(session, sender.project_id, model_name)
    return {"models": [{"model_name": name, **report_told(report)} for name, report in found.items()]}
