"""Fidelity over HTTP: how much each source of feedback is worth, and what has become worse."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.access import Reading, ReadKey
from feedback_loop.learning.fidelity import told
from feedback_loop.stream.worth import fidelity_of

router = APIRouter(tags=["loop"])


@router.get("/v1/fidelity", summary="How much each source of feedback is worth")
def show_fidelity(
    sender: ReadKey, session: Reading, model_name: Annotated[str | None, Query(max_length=256)] = None
) -> dict[str, Any]:
    """For each model a score by source, metric and segment (empty: all), with its parts, each 0 to 1.

    It looks at the project's newest 20,000 feedback among the last 500,000 events; a score takes 50. Who is
    suspended or held is left out. `attribution` is
    the share whose inference is known, `agreement` the share that agrees with ground truth or reviewers where these can
    be compared, `informativeness` how much is said, `timeliness` how fresh it is. The score is their geometric mean.
    `worse` tells what the newer half does worse than the older one.
    """
    found = fidelity_of(session, sender.project_id, model_name)
    return {
        "models": [{"model_name": name, "sources": [told(each) for each in cells]} for name, cells in found.items()]
    }
