"""Review policies over HTTP: which answers people look at without anybody asking for them by name."""

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response

from api import openapi
from api.access import AdminKey, Reading, ReadKey, decider_of
from api.json_bodies import body, described
from feedback_ingest.clock import utc_now
from feedback_loop.learning.review_policies import PlacedPolicy, ReviewPolicy
from feedback_loop.review.intake import opened_today
from feedback_loop.stream.flagging.book import ProjectReviewPolicies

router = APIRouter(prefix="/v1/policies/review", tags=["review"])


@router.get("", summary="The review policies in force, and what each had opened today")
def list_review_policies(sender: ReadKey, session: Reading) -> dict[str, Any]:
    """By id; a policy of version 0 is the default. `opened_today` counts items of this UTC day."""
    placed = ProjectReviewPolicies(session, sender.project_id).every()
    names = [each.policy.policy_id for each in placed]
    counts = opened_today(session, sender.project_id, names, utc_now())
    return {"policies": [{**_shown(each), "opened_today": counts[each.policy.policy_id]} for each in placed]}


@router.post(
    "",
    status_code=201,
    summary="Define a review policy, or change one",
    openapi_extra=described(ReviewPolicy),
    responses=openapi.CHANGED,
)
def define_review_policy(
    sender: AdminKey,
    request: Request,
    response: Response,
    session: Reading,
    wanted: Annotated[ReviewPolicy, body(ReviewPolicy)],
) -> dict[str, Any]:
    """It counts for what comes after it; what was flagged before stays where it is."""
    mine = ProjectReviewPolicies(session, sender.project_id)
    is_new = mine.define(wanted, decider_of(request, sender), utc_now())
    answer = next(_shown(each) for each in mine.every() if each.policy.policy_id == wanted.policy_id)
    session.commit()
    response.status_code = 201 if is_new else 200
    return answer


@router.delete("/{policy_id}", summary="Take a review policy back")
def remove_review_policy(policy_id: str, sender: AdminKey, request: Request, session: Reading) -> dict[str, Any]:
    """The default one too. Items it had opened stay open."""
    ProjectReviewPolicies(session, sender.project_id).remove(policy_id, decider_of(request, sender), utc_now())
    session.commit()
    return {"removed": policy_id}


def _shown(placed: PlacedPolicy) -> dict[str, Any]:
    return {**placed.policy.as_data(), "version": placed.version, "offset": placed.after or None}
