"""A first look is blind: what one reviewer said is nowhere in what another may read before the verdict."""

from collections.abc import Callable
from typing import Any

import pytest

from api import review
from feedback_ingest.keys import key_id_of
from feedback_loop.review import items
from feedback_loop.review.judging import PARTS
from tests.api.conftest import Client
from tests.api.test_review import act, claim, define, infer, open_items

SAID = "what only the first one said"
READABLE = ("/v1/feedback", "/v1/log?from=earliest&limit=1000", "/v1/review/queues/{}/stats", "/v1/review/queues")


@pytest.mark.parametrize("is_leaky", [False, True])
def test_nobody_reads_what_another_said(
    client: Client, make_key: Callable[..., str], monkeypatch: pytest.MonkeyPatch, is_leaky: bool
) -> None:
    """Planted, an item that tells the labels it has already is noticed."""
    honest = items.item

    def leaky(session: Any, project_id: int, queue: Any, task: Any) -> dict[str, Any]:
        found = session.execute(PARTS, {"project_id": project_id, "task_id": task["task_id"]})
        return {**honest(session, project_id, queue, task), "labels": [list(row) for row in found]}

    if is_leaky:
        monkeypatch.setattr(review.items, "item", leaky)
    admin, one, two = make_key("admin"), make_key("review"), make_key("review")
    name = f"blind-{is_leaky}".lower()
    people = {"reviewers": {key_id_of(key): {} for key in (one, two)}}
    define(client, admin, name, overlap=2, **people)
    open_items(client, admin, name, {"inference_request_id": infer(client, admin)})
    act(client, one, claim(client, one, name), "submit", value={"label": SAID})

    told = [str(claim(client, two, name)), *(client.get(path.format(name), two).text for path in READABLE)]

    assert any(SAID in each for each in told) == is_leaky
