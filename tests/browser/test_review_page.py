"""The review page in a browser, on the real API: by keyboard, with the next item at once, undo, and text as text."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest import keys
from feedback_ingest.clock import utc_now
from feedback_ingest.postgres import Database
from tests.api.conftest import served  # noqa: F401
from tests.support.waiting import wait_for

pytestmark = pytest.mark.browser
HOSTILE = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script> \u202e\u0007 ${{7*7}}"


@pytest.fixture(scope="module")
def admin(database: Database) -> str:
    """A key that may do everything."""
    with Session(database.engine) as session:
        made = keys.create(session, "default", ["admin"], utc_now()).key
        session.commit()
    return made


@pytest.fixture
def post(served: str, admin: str) -> Callable[..., Any]:  # noqa: F811
    """Posts to the API as an administrator; the answer, which is a good one."""

    def send(path: str, body: Any) -> Any:
        headers = {"Authorization": f"Bearer {admin}"}
        answer = httpx.post(f"{served}{path}", json=body, headers=headers, trust_env=False)
        assert answer.is_success, answer.text
        return answer.json()

    return send


@pytest.fixture
def page(context: Any, served: str, database: Database) -> Iterator[Any]:  # noqa: F811
    """A reviewer's page, signed in by the form."""
    with Session(database.engine) as session:
        key = keys.create(session, "default", ["review"], utc_now()).key
        session.commit()
    page = context.new_page()
    page.goto(f"{served}/review")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Queue").wait_for()
    yield page
    assert page.evaluate("heard.filter(({ name }) => name === 'violation')") == []
    assert page.title() == "Review"


def open_items(post: Callable[..., Any], queue: str, items: list[tuple[Any, list[Any]]], **told: Any) -> None:
    """Defines a queue and opens items of (inputs, contents of outputs), the first of which comes first."""
    post("/v1/review/queues", {"queue_id": queue, **told})
    tasks = []
    for place, (inputs, contents) in enumerate(items):
        name = f"{queue}-{place}"
        outputs = [{"output_id": "AB"[n], "content": content} for n, content in enumerate(contents)]
        post(
            "/v1/inferences",
            {"inference_request_id": name, "model_version": "m1", "inputs": inputs, "outputs": outputs},
        )
        tasks.append({"inference_request_id": name, "priority": 900 - place})
    post(f"/v1/review/queues/{queue}/tasks", {"tasks": tasks})


def sit(page: Any, queue: str) -> None:
    """Chooses the queue."""
    page.get_by_label("Queue").select_option(queue)


def shown(page: Any, words: str) -> None:
    """Returns once the item in front says so."""
    page.locator("#item").get_by_text(words).first.wait_for()


def verdicts(database: Database, queue: str) -> list[tuple[str, Any]]:
    """What was found, in the order of the items."""
    query = text(
        "SELECT inference_request_id, feedback_value FROM staging.feedback_events "
        "WHERE kind = 'feedback' AND inference_request_id LIKE :queue ORDER BY inference_request_id"
    )
    with Session(database.engine) as session:
        rows = session.execute(query, {"queue": f"{queue}-%"}).all()
    said = ("label", "corrected_text", "preferred_output_id", "tie", "rejected_output_id")
    return [(name, {field: value[field] for field in said if field in value}) for name, value in rows]


def test_labels_by_keyboard(page: Any, post: Callable[..., Any], database: Database) -> None:
    """A key answers and the next item is there at once; one is undone, skipped, escalated; nothing is markup."""
    items = [({"text": words}, [{"label": "spam"}]) for words in ("First", HOSTILE, "Third", "Fourth", "Fifth")]
    open_items(post, "mail", items, options=["spam", "ham"], guidelines=f"Wanted advertising is ham. {HOSTILE}")
    page.reload()
    sit(page, "mail")

    shown(page, "First")
    page.keyboard.press("1")
    shown(page, HOSTILE)
    page.keyboard.press("u")
    shown(page, "First")
    page.keyboard.press("2")
    shown(page, HOSTILE)
    assert page.locator("#item img, #item script, #guidelines img").count() == 0
    page.keyboard.press("1")
    shown(page, "Third")
    page.keyboard.press("s")
    shown(page, "Fourth")
    page.keyboard.press("e")
    shown(page, "Fifth")
    page.keyboard.press("1")
    shown(page, "Nothing to review now")
    page.reload()  # what is held goes out when the page is left

    wanted = [("mail-0", {"label": "ham"}), ("mail-1", {"label": "spam"}), ("mail-4", {"label": "spam"})]
    wait_for(lambda: verdicts(database, "mail") == wanted)
    with Session(database.engine) as session:
        rows = session.execute(text("SELECT inference_request_id, state FROM review_tasks WHERE queue_id = 'mail'"))
        found = dict(tuple(row) for row in rows)
    assert (found["mail-2"], found["mail-3"]) == ("open", "escalated")


def test_pairs_chats_and_corrections(page: Any, post: Callable[..., Any], database: Database) -> None:
    """Two answers side by side under a conversation, a tie, and a text that is corrected with its changes marked."""
    chat = {"messages": [{"role": "user", "content": "When?"}, {"role": "assistant", "content": [{"type": HOSTILE}]}]}
    open_items(
        post, "pairs", [(chat, ["At 8.", HOSTILE]), ("Where?", ["Here.", "There."])], feedback_type="preference_pair"
    )
    open_items(post, "texts", [({"q": [1, 2]}, ["It opens at 8 today."])], feedback_type="explicit_correction")
    page.reload()
    sit(page, "pairs")

    shown(page, "When?")
    page.keyboard.press("1")
    shown(page, "Where?")
    page.keyboard.press("t")
    shown(page, "Nothing to review now")
    sit(page, "texts")
    page.get_by_label("What the answer should have been").fill("It opens at 9 today.")
    assert page.locator("del").all_inner_texts() == ["8"] and page.locator("ins").all_inner_texts() == ["9"]
    page.keyboard.press("Control+Enter")
    shown(page, "Nothing to review now")

    wait_for(lambda: len(verdicts(database, "pairs")) == 2)
    assert [value for _, value in verdicts(database, "pairs")] == [
        {"preferred_output_id": "A", "rejected_output_id": "B"},
        {"preferred_output_id": "A", "tie": True},
    ]
    sit(page, "default")
    wait_for(lambda: verdicts(database, "texts") == [("texts-0", {"corrected_text": "It opens at 9 today."})])


def test_the_next_item_is_there_at_once(page: Any, post: Callable[..., Any]) -> None:
    """It lies ready: it comes while the network stands still, and no answer is lost meanwhile."""
    open_items(post, "quick", [(f"Item {n}", [{"label": "a"}]) for n in range(3)], options=["a", "b"])
    page.reload()
    with page.expect_response(lambda answer: answer.url.endswith("quick/claim") and "Item 2" in answer.text()):
        sit(page, "quick")
    page.route("**/v1/review/**", lambda route: route.abort())

    for n in range(2):
        shown(page, f"Item {n}")
        page.keyboard.press("1")
    shown(page, "Item 2")
    page.locator("#notice").get_by_text("again").wait_for()
    page.unroute("**/v1/review/**")

    page.keyboard.press("1")
    page.get_by_text("3 answered here").wait_for()


def test_who_may_not_review_is_told(context: Any, served: str, database: Database) -> None:  # noqa: F811
    """A key that only reads is told which scope the page takes."""
    with Session(database.engine) as session:
        key = keys.create(session, "default", ["read"], utc_now()).key
        session.commit()
    page = context.new_page()
    page.goto(f"{served}/review")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()

    page.get_by_text("it takes one with the scope review.").wait_for()
