"""The widget in a real browser: what a person does arrives at the API as valid feedback, or is taken back."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.site import until
from tests.browser.stub_api import KEY, StubApi, problem
from tests.support.waiting import wait_for

pytestmark = pytest.mark.browser

OUTPUTS = [{"output_id": "A", "content": "It opens at 9."}, {"output_id": "B", "content": {"text": "It opens at 10."}}]
TAKE_OUT = "window.taken = document.querySelector('feedback-widget'); taken.remove()"
LABELS = [{"output_id": "A", "content": 3}, {"output_id": "B", "content": {"label": 8}}]


def press(name: str) -> Callable[[Any], None]:
    """Clicks the button of this name."""
    return lambda page: page.get_by_role("button", name=name, exact=True).click()


def write(opener: str, text: str) -> Callable[[Any], None]:
    """Opens a box, writes and sends."""

    def act(page: Any) -> None:
        page.get_by_role("button", name=opener).click()
        page.get_by_role("textbox").fill(text)
        page.get_by_role("button", name="Send").click()

    return act


ANSWERS: dict[str, tuple[str, dict[str, Any], Callable[[Any], None], dict[str, Any]]] = {
    "thumb up": ("explicit_binary", {}, press("Yes, it was helpful"), {"positive": True}),
    "thumb down": ("explicit_binary", {}, press("No, it was not helpful"), {"positive": False}),
    "stars": (
        "explicit_rating",
        {},
        lambda page: page.get_by_role("radio", name="4 of 5").click(),
        {"score": 4},
    ),
    "correction": (
        "explicit_correction",
        {"text": "It opens at 10."},
        write("Suggest a correction", "It opens at 9."),
        {"corrected_text": "It opens at 9."},
    ),
    "comment": ("explicit_comment", {}, write("Add a comment", "Too long."), {"text": "Too long."}),
    "pair": (
        "preference_pair",
        {"outputs": OUTPUTS},
        press("Answer B is better"),
        {"preferred_output_id": "B", "rejected_output_id": "A"},
    ),
    "tie": (
        "preference_pair",
        {"outputs": OUTPUTS},
        press("About the same"),
        {"preferred_output_id": "A", "rejected_output_id": "B", "tie": True},
    ),
    "label": ("explicit_label", {"outputs": LABELS}, press("8"), {"label": 8}),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_an_answer_is_stored_as_valid_feedback(what: str, show: Callable[..., Any], api: StubApi) -> None:
    """Each control sends a value that the type accepts, about the inference the page names, from another origin."""
    feedback_type, attributes, act, value = ANSWERS[what]
    page = show(feedback_type, model_name="writer", undo_seconds="0.2", **attributes)

    act(page)
    until(page, "heard.length")

    (event,) = api.events()
    assert event["feedback_type"] == feedback_type
    assert event["feedback_value"] == value
    about = [event[name] for name in ("inference_request_id", "model_name", "model_version")]
    assert about == ["req-1", "writer", "writer-12"]
    heard = page.evaluate("heard")
    assert [(each["name"], each["status"], each["feedback_id"]) for each in heard] == [
        ("sent", "accepted", event["feedback_id"])
    ]


def test_the_browser_asks_first_and_the_key_travels_in_a_header(show: Callable[..., Any], api: StubApi) -> None:
    """The page's origin preflights, the key stands in Authorization and in no address, and no cookie is sent."""
    page = show(undo="none")

    press("Yes, it was helpful")(page)
    until(page, "heard.length")

    asked = api.sent("OPTIONS", "/v1/feedback")[0]
    sent = api.sent("POST", "/v1/feedback")[0]
    assert asked["access-control-request-headers"] == "authorization,content-type"
    assert (sent["origin"], sent["authorization"]) == (api.origin, f"Bearer {KEY}")
    assert "cookie" not in sent
    assert not [path for _, path, _ in api.requests if "fk_" in path]


def test_what_was_not_meant_never_leaves(show: Callable[..., Any], api: StubApi) -> None:
    """Undo within the seconds it is offered: nothing was sent, nothing is kept, and the question is open again."""
    page = show(undo_seconds="30")
    press("Yes, it was helpful")(page)

    press("Undo")(page)
    press("No, it was not helpful")(page)
    press("Undo")(page)

    assert [each["name"] for each in page.evaluate("heard")] == ["undone", "undone"]
    assert page.get_by_role("button", pressed=True).count() == 0
    assert page.evaluate("Object.keys(localStorage).filter((name) => name.includes(':event:'))") == []
    assert not api.sent("POST", "/v1/feedback")


def test_a_change_of_mind_is_one_answer(show: Callable[..., Any], api: StubApi) -> None:
    """Pressing the other thumb while the first can be undone sends the second alone."""
    page = show(undo_seconds="30")

    press("Yes, it was helpful")(page)
    press("No, it was not helpful")(page)
    page.evaluate(TAKE_OUT)
    until(page, "heard.length")

    assert [event["feedback_value"] for event in api.events()] == [{"positive": False}]


def test_a_key_that_may_retract_takes_back_what_is_stored(show: Callable[..., Any], api: StubApi) -> None:
    """With undo="retract" the answer is stored at once, and Undo sends a retraction that names it."""
    page = show(undo="retract", undo_seconds="30")
    press("Yes, it was helpful")(page)
    until(page, "heard.length == 1")

    press("Undo")(page)
    until(page, "heard.length == 2")

    given, taken = api.events()
    assert taken["feedback_type"] == "retraction"
    assert taken["feedback_value"] == {"retracts": given["feedback_id"]}
    assert [each["name"] for each in page.evaluate("heard")] == ["sent", "undone"]


def test_a_refusal_is_told_and_the_question_is_open_again(show: Callable[..., Any], api: StubApi) -> None:
    """The page hears the code, the person reads that it was not saved, and may try again."""
    api.refuse = lambda event: problem(422, "validation-failed")
    page = show(undo="none")
    press("Yes, it was helpful")(page)
    until(page, "heard.length == 1")
    assert page.get_by_text("This could not be saved.").is_visible()

    api.refuse = lambda event: None
    press("Yes, it was helpful")(page)
    until(page, "heard.length == 2")

    assert [(each["name"], each.get("code")) for each in page.evaluate("heard")] == [
        ("refused", "validation-failed"),
        ("sent", None),
    ]


def test_why_travels_with_the_thumb_or_after_it(show: Callable[..., Any], api: StubApi) -> None:
    """ask-why: what was wrong is the thumb's comment while that is held, and a comment of its own later."""
    page = show(ask_why="", undo_seconds="0.3")
    press("No, it was not helpful")(page)
    until(page, "heard.length == 1")

    page.get_by_role("textbox", name="What was wrong?").fill("The date.")
    press("Send")(page)
    until(page, "heard.length == 2")
    early = show(ask_why="", undo_seconds="30", inference_request_id="req-2")
    press("No, it was not helpful")(early)
    early.get_by_role("textbox", name="What was wrong?").fill("The time.")
    press("Send")(early)
    early.evaluate(TAKE_OUT)
    until(early, "heard.length")

    values = [(event["feedback_type"], event["feedback_value"]) for event in api.events()]
    assert values == [
        ("explicit_binary", {"positive": False}),
        ("explicit_comment", {"text": "The date."}),
        ("explicit_binary", {"positive": False, "comment": "The time."}),
    ]


def test_a_correction_starts_from_the_answer_and_must_change_it(show: Callable[..., Any], api: StubApi) -> None:
    """The box holds what the model said; sent unchanged or empty it says so and sends nothing."""
    page = show("explicit_correction", text="It opens at 10.", undo="none")
    press("Suggest a correction")(page)
    box = page.get_by_role("textbox")
    assert box.input_value() == "It opens at 10."

    press("Send")(page)
    assert page.get_by_role("alert").inner_text() == "Change the text first."
    box.fill("   ")
    press("Send")(page)
    assert page.get_by_role("alert").inner_text() == "Write something first."

    assert not api.sent("POST", "/v1/feedback")


def test_a_question_drawn_again_is_not_asked_twice(show: Callable[..., Any], api: StubApi) -> None:
    """A list that takes the widget out of the page and puts it in again shows the answer that was given."""
    page = show(undo_seconds="30")
    press("Yes, it was helpful")(page)

    page.evaluate(TAKE_OUT)
    wait_for(lambda: len(api.events()) == 1, 60, "the answer of a widget that was taken out")
    page.evaluate("document.body.append(taken)")
    page.get_by_role("button", name="Yes, it was helpful", pressed=True).wait_for()
    page.get_by_role("button", name="No, it was not helpful").click(force=True)  # it says that it is disabled

    assert page.get_by_role("button", name="No, it was not helpful", pressed=False).count() == 1
    assert [event["feedback_value"] for event in api.events()] == [{"positive": True}]


def test_another_inference_is_another_question(show: Callable[..., Any], api: StubApi) -> None:
    """When the page points the widget at another answer, what was given is sent and the question is open."""
    page = show(undo_seconds="30")
    press("Yes, it was helpful")(page)

    page.evaluate("document.querySelector('feedback-widget').setAttribute('inference-request-id', 'req-2')")
    page.get_by_role("button", name="Yes, it was helpful", pressed=False).wait_for()
    until(page, "heard.length")

    assert [event["inference_request_id"] for event in api.events()] == ["req-1"]


def test_several_widgets_ask_for_the_types_once(
    context: Any, pages: Any, markup: Callable[..., str], api: StubApi
) -> None:
    """A page with ten answers asks the API one time what there is to ask."""
    page = context.new_page()
    page.goto(pages.make("".join(markup(inference_request_id=f"req-{n}") for n in range(10))))
    page.locator("feedback-widget").nth(9).get_by_role("button").first.wait_for()

    assert len(api.sent("GET", "/v1/feedback-types")) == 1


def test_a_type_that_cannot_be_drawn_is_told_to_the_developer(
    context: Any, pages: Any, markup: Any, api: StubApi
) -> None:
    """An unknown type, a kind without a control and a pair without outputs are warnings; the others are drawn."""
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))

    page.goto(pages.make(markup("no_such_type explicit_ranking preference_pair explicit_binary")))
    page.get_by_role("button", name="Yes, it was helpful").wait_for()

    told = [re.search(r"(\w+) is not shown: (.+?)( JSHandle.*| <.*)?$", text) for text in said]
    assert [match and match[1] for match in told] == ["no_such_type", "explicit_ranking", "preference_pair"]


def test_an_api_that_is_away_is_asked_again(context: Any, pages: Any, markup: Any, api: StubApi) -> None:
    """Without the types nothing is drawn, the page hears why, and the widget appears when the API is back."""
    answers, api.answer = api.answer, lambda *request: problem(503, "overloaded", True, Retry_After="1")  # type: ignore[method-assign]
    page = context.new_page()
    page.goto(pages.make(markup()))
    until(page, "heard.length")

    api.answer = answers  # type: ignore[method-assign]
    page.get_by_role("button", name="Yes, it was helpful").wait_for()

    assert page.evaluate("heard[0]") == {"name": "unavailable", "code": "overloaded"}
