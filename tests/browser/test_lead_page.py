"""The lead's page: how a queue is doing, who judges in it, and what they could not agree on, decided there."""

from typing import Any

import httpx
import pytest

from feedback_ingest.keys import key_id_of
from feedback_ingest.postgres import Database
from tests.api.conftest import served  # noqa: F401
from tests.browser.reviewing_pages import made, open_queue, poster, signed_in
from tests.browser.test_dashboard import refused_by_axe
from tests.stream.outboxes import rows
from tests.support.waiting import wait_for

pytestmark = pytest.mark.browser
PICTURE = "data:image/png;base64," + (
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAbElEQVR42g3JQQEAMAgDMZSgpEqqhOepQAlKqmjLN1VFFypcTLHF"
    "FSmqmm7UuJlmm2vSP0QLCYsRK05EP0wbGZsxa87EP4YeNHiYYYcbMj+WXrR4mWWXW7I/jj50+JhjjztyP0IHBYcJGy4kPLAsVIH5"
    "pgt5AAAAAElFTkSuQmCC"
)
"""Eight by eight dots."""


def judged(served: str, keys: list[str], queue: str, labels: tuple[str, ...]) -> None:  # noqa: F811
    """Each reviewer claims the next item and says one of the labels."""
    for key, label in zip(keys, labels, strict=True):
        post = poster(served, key)
        task = post(f"/v1/review/queues/{queue}/claim", {})["task"]
        said = {"lease_id": task["lease_id"], "value": {"label": label}}
        post(f"/v1/review/tasks/{task['task_id']}/submit", said)


def test_a_lead_sees_and_decides(context: Any, served: str, database: Database) -> None:  # noqa: F811
    """Figures, reviewers, the disputed picture with its labels; the word is golden in the log, and nothing is left."""
    admin = made(database, "admin")
    post, people = poster(served, admin), [made(database, "review") for _ in range(2)]
    inputs = {"photo": PICTURE, "note": "by the door"}
    items = [
        {
            "inference_request_id": f"pet-{n}",
            "model_version": "m1",
            "inputs": inputs,
            "outputs": [{"output_id": "A", "content": {"label": "cat"}}],
        }
        for n in range(2)
    ]
    open_queue(post, "pets", items, options=["cat", "dog"], overlap=2, golden=False)
    judged(served, people, "pets", ("cat", "cat"))
    judged(served, people, "pets", ("cat", "dog"))

    page = signed_in(context, served, admin, "/review/lead")
    page.get_by_label("Queue").select_option("pets")
    left = page.get_by_role("article", name="Item pet-1")
    left.wait_for()
    assert page.get_by_role("row", name=key_id_of(people[0])).first.is_visible()
    assert "1 disputed, 0 escalated" in page.locator("#figures").inner_text()
    wait_for(lambda: left.locator("canvas").evaluate("canvas => canvas.width") == 8, what="the picture")
    assert refused_by_axe(page) == []
    left.get_by_label("Golden").check()
    left.get_by_role("button", name="dog").click()

    page.get_by_text("Nothing is disputed or escalated.").wait_for()
    query = "SELECT feedback_value ->> 'label', feedback_value ->> 'method', feedback_value ->> 'golden' FROM " + (
        "staging.feedback_events WHERE inference_request_id = 'pet-1' AND kind = 'feedback'"
    )
    assert rows(database, query) == [("dog", "expert", "true")]
    assert page.evaluate("heard.filter(({ name }) => name === 'violation')") == []


def test_a_reviewer_who_is_no_expert_is_told(context: Any, served: str, database: Database) -> None:  # noqa: F811
    """Nobody's labels are shown to whoever may not see them."""
    admin, reviewer = made(database, "admin"), made(database, "review")
    people = {key_id_of(reviewer): {}}
    poster(served, admin)("/v1/review/queues", {"queue_id": "strict", "reviewers": people})

    page = signed_in(context, served, reviewer, "/review/lead")
    page.get_by_label("Queue").select_option("strict")

    page.get_by_text("Only an expert of the queue sees how it is doing.").wait_for()
    asked = httpx.get(f"{served}/v1/review/queues/strict/tasks", headers={"Authorization": f"Bearer {reviewer}"})
    assert asked.status_code == 403
