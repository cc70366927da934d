"""A reviewer's pages for the browser's tests: signed in, with queues and items that a test makes up or brings."""

from collections.abc import Callable
from typing import Any

import httpx
from sqlmodel import Session

from feedback_ingest import keys
from feedback_ingest.clock import utc_now
from feedback_ingest.postgres import Database


def made(database: Database, *scopes: str) -> str:
    """A new key."""
    with Session(database.engine) as session:
        key = keys.create(session, "default", list(scopes), utc_now()).key
        session.commit()
    return key


def poster(served: str, key: str) -> Callable[..., Any]:
    """Posts to the API with a key; the answer, which is a good one."""

    def send(path: str, body: Any) -> Any:
        headers = {"Authorization": f"Bearer {key}"}
        answer = httpx.post(f"{served}{path}", json=body, headers=headers, trust_env=False)
        assert answer.is_success, answer.text
        return answer.json()

    return send


def signed_in(context: Any, served: str, key: str, path: str) -> Any:
    """The page at `path`, once the form was filled in."""
    page = context.new_page()
    page.goto(f"{served}{path}")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**{path}")
    return page


def open_queue(post: Callable[..., Any], queue: str, inferences: list[dict[str, Any]], **told: Any) -> None:
    """Defines a queue and opens the inferences in it, the first of which comes first."""
    post("/v1/review/queues", {"queue_id": queue, **told})
    post("/v1/inferences/batch", {"events": inferences})
    names = [each["inference_request_id"] for each in inferences]
    tasks = [{"inference_request_id": name, "priority": 900 - place} for place, name in enumerate(names)]
    post(f"/v1/review/queues/{queue}/tasks", {"tasks": tasks})
