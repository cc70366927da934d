"""Pages are left, networks fail, browsers have budgets: the answer that was given arrives, and arrives once."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.site import until
from tests.browser.stub_api import KEY, StubApi, problem
from tests.support.waiting import wait_for

pytestmark = pytest.mark.browser

MAKE_CLIENT = """async ([url, key]) => {
  const { FeedbackClient } = await import("/feedback.js");
  window.client = new FeedbackClient({ url, key });
}"""


def thumb(page: Any) -> None:
    """Gives a thumb up."""
    page.get_by_role("button", name="Yes, it was helpful").click()


@pytest.mark.parametrize("how", ["another page", "closed", "hidden"])
def test_an_answer_that_can_still_be_undone_is_sent_when_the_page_is_left(
    how: str, show: Callable[..., Any], context: Any, api: StubApi
) -> None:
    """Held for thirty seconds, the answer leaves with the page, by keepalive."""
    page = show(undo_seconds="30")
    thumb(page)
    assert not api.events()

    if how == "another page":
        page.goto("about:blank")
    elif how == "closed":
        page.close(run_before_unload=True)
    else:
        page.evaluate(
            "Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true });"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )

    wait_for(lambda: len(api.events()) == 1, 60, "the answer of a page that was left")


def test_an_answer_given_offline_is_sent_when_the_network_is_back(
    show: Callable[..., Any], context: Any, api: StubApi
) -> None:
    """The person reads that it waits; then it is sent, under the id it had."""
    page = show(undo_seconds="0.2")
    context.set_offline(True)
    thumb(page)
    page.get_by_text("Not sent yet: waiting for the network.").wait_for()

    context.set_offline(False)
    until(page, "heard.length")

    assert [event["feedback_id"] for event in api.events()] == [page.evaluate("heard[0].feedback_id")]
    assert page.get_by_text("Thank you.").is_visible()


def test_an_answer_given_offline_survives_the_page(
    show: Callable[..., Any], context: Any, pages: Any, api: StubApi
) -> None:
    """Closed while offline, the page has left its answer in the browser; the site's next page sends it."""
    page = show(undo="none")
    context.set_offline(True)
    thumb(page)
    until(page, "Object.keys(localStorage).some((name) => name.includes(':event:'))")
    with page.expect_event("close"):
        page.close(run_before_unload=True)
    context.set_offline(False)

    following = show(inference_request_id="req-2")
    # At once where the browser wrote the closing page's last words; else when its lease of 30 s has run out.
    wait_for(lambda: len(api.events()) >= 1, 60, "the answer that the page before has left")
    until(following, "!Object.keys(localStorage).some((name) => name.includes(':event:'))", 60)

    assert {event["inference_request_id"] for event in api.events()} == {"req-1"}
    assert len({event["feedback_id"] for event in api.events()}) == 1


def test_an_answer_without_receipt_is_sent_again_and_stored_once(show: Callable[..., Any], api: StubApi) -> None:
    """The API stores, the receipt is lost: the same id and content come again, and are known."""
    lost: list[str] = []

    def lose(event: dict[str, Any]) -> Any:
        if lost:
            return None
        lost.append(event["feedback_id"])
        api.stored[event["feedback_id"]] = event
        return problem(503, "storage-unavailable", True, Retry_After="1")

    api.refuse = lose
    page = show(undo="none")
    thumb(page)
    until(page, "heard.length")

    assert page.evaluate("heard[0].status") == "duplicate"
    assert list(api.stored) == lost


def test_more_than_the_browser_lets_outlive_the_page_arrives_once(context: Any, pages: Any, api: StubApi) -> None:
    """200 KiB are held when the page is left: what fits 64 KiB leaves with it, the site's next page sends the rest."""
    page = context.new_page()
    page.goto(pages.make(""))
    page.evaluate(MAKE_CLIENT, [api.url, KEY])
    page.evaluate(
        """() => {
          for (let n = 0; n < 40; n++)
            client.send({ inference_request_id: `req-${n}`, model_version: "m-1", feedback_type: "explicit_comment",
                          feedback_value: { text: "x".repeat(5000) } }, { hold: true });
        }"""
    )

    page.goto("about:blank")
    wait_for(lambda: len(api.events()) >= 10, 60, "what leaves with the page")
    left_at_once = len(api.events())
    following = context.new_page()
    following.goto(pages.make(""))
    following.evaluate(MAKE_CLIENT, [api.url, KEY])
    wait_for(lambda: len(api.events()) == 40, 60, "the rest")

    assert left_at_once < 40
    assert {event["inference_request_id"] for event in api.events()} == {f"req-{n}" for n in range(40)}
    until(following, "client.pending === 0")


def test_an_answer_larger_than_the_budget_is_sent_while_the_page_is_seen(
    context: Any, pages: Any, api: StubApi
) -> None:
    """A correction of 100 KiB would be refused by the browser with keepalive; it is sent without."""
    page = context.new_page()
    page.goto(pages.make(""))
    page.evaluate(MAKE_CLIENT, [api.url, KEY])

    outcome = page.evaluate(
        """() => client.correction({ inference_request_id: "req-1", model_version: "m-1",
                                     corrected_output: { text: "x".repeat(100_000) } })"""
    )

    assert outcome["status"] == "accepted"


def test_two_tabs_side_by_side_send_each_answer_once(show: Callable[..., Any], api: StubApi) -> None:
    """A second tab does not send what the first one still holds."""
    first = show(undo_seconds="30")
    thumb(first)

    second = show(undo="none", inference_request_id="req-2")
    thumb(second)
    until(second, "heard.length")

    assert [event["inference_request_id"] for event in api.events()] == ["req-2"]
    first.get_by_role("button", name="Undo").click()
    assert first.evaluate("heard[0].name") == "undone"
