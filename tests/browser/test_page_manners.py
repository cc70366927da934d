"""A guest on other people's pages: strict policies, hostile text, keyboards, small screens, dark and still ones."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.site import until
from tests.browser.stub_api import StubApi

pytestmark = pytest.mark.browser

HOSTILE = '<img src=x onerror="window.struck = 1"><script>window.struck = 1</script>'
PAIR = [{"output_id": "A", "content": HOSTILE, "name": HOSTILE}, {"output_id": "B", "content": "fine"}]
ALL = "explicit_binary explicit_rating explicit_correction explicit_comment preference_pair explicit_label"


def everything(show: Callable[..., Any], **attributes: Any) -> Any:
    """A page with every control."""
    return show(ALL, outputs=PAIR, labels=["spam", "ham", 3], text=HOSTILE, ask_why="", undo_seconds="30", **attributes)


def style(page: Any, name: str, what: str) -> str:
    """A computed property of a button."""
    found = page.get_by_role("button", name=name).evaluate("(element, what) => getComputedStyle(element)[what]", what)
    return str(found)


def test_a_strict_policy_is_kept(show: Callable[..., Any]) -> None:
    """Under script-src 'self', style-src 'self' and trusted types nothing is blocked, and the styles are there."""
    page = everything(show)
    page.get_by_role("button", name="No, it was not helpful").click()
    page.get_by_role("button", name="Suggest a correction").click()

    assert [each for each in page.evaluate("heard") if each["name"] == "violation"] == []
    assert style(page, "Yes, it was helpful", "borderRadius") == "50%"
    assert page.locator("feedback-widget [style]:not([part~=undo])").count() == 0


def test_what_models_say_is_text_and_nothing_else(show: Callable[..., Any]) -> None:
    """Markup in outputs, names, texts and labels is shown as it is written and never run."""
    page = everything(show, texts={"thanks": HOSTILE}, question=HOSTILE)
    page.get_by_role("button", name="spam").click()
    page.get_by_role("button", name="Suggest a correction").click()

    assert page.get_by_text(HOSTILE).count() >= 3
    assert page.locator("feedback-widget img, feedback-widget script").count() == 0
    assert page.evaluate("window.struck") is None


def test_a_keyboard_is_enough(show: Callable[..., Any], api: StubApi) -> None:
    """Tab reaches each control, arrows move along the stars, Space chooses, and the focus is visible all the way."""
    page = show("explicit_binary explicit_rating explicit_correction", text="At 10.", undo_seconds="0.4")
    focused = "(() => document.activeElement.shadowRoot.activeElement)()"

    page.keyboard.press("Tab")
    outline = page.evaluate(f"getComputedStyle({focused}).outlineStyle")
    page.keyboard.press("Space")
    for key in ("Tab", "Tab", "Tab", "ArrowRight", "ArrowRight", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    page.get_by_role("button", name="Suggest a correction").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Control+A")
    page.keyboard.type("At 9.")
    page.keyboard.press("Control+Enter")
    until(page, "heard.length == 3")

    values = {event["feedback_type"]: event["feedback_value"] for event in api.events()}
    assert outline == "solid"
    assert values == {
        "explicit_binary": {"positive": True},
        "explicit_rating": {"score": 2},
        "explicit_correction": {"corrected_text": "At 9."},
    }


def test_undo_by_keyboard_is_not_hurried_and_the_focus_is_kept(
    context: Any, show: Callable[..., Any], api: StubApi
) -> None:
    """While Undo has the focus the time stands still; when it goes, the focus is on the answer, not lost."""
    context.clock.install()
    page = show()
    page.get_by_role("button", name="Yes, it was helpful").click()
    page.get_by_role("button", name="Undo").focus()
    page.clock.fast_forward(60_000)
    assert page.get_by_role("button", name="Undo").is_visible()

    page.keyboard.press("Enter")

    assert page.evaluate("document.activeElement.shadowRoot.activeElement.ariaLabel") == "Yes, it was helpful"
    assert not api.events()


def test_escape_closes_the_box_and_a_pages_shortcuts_do_not_fire(show: Callable[..., Any]) -> None:
    """What is typed reaches no listener of the page; Escape goes back to the button, and the text is kept."""
    page = show("explicit_comment")
    page.evaluate("window.keys = []; document.addEventListener('keydown', (event) => keys.push(event.key))")
    page.get_by_role("button", name="Add a comment").click()

    page.keyboard.type("jk")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Add a comment", expanded=False).click()

    assert page.evaluate("keys") == []
    assert page.get_by_role("textbox").input_value() == "jk"


def test_controls_say_what_they_are(show: Callable[..., Any]) -> None:
    """Groups carry the question, toggles and radios their state, and the status is announced."""
    page = everything(show)
    page.get_by_role("radio", name="3 of 5").click()

    assert page.get_by_role("group", name="Was this helpful?").get_by_role("button").count() == 2
    stars = page.get_by_role("radiogroup", name="How good was this?")
    assert stars.get_by_role("radio", checked=True).get_attribute("aria-label") == "3 of 5"
    assert page.get_by_role("status").filter(has_text="Thank you.").count() == 1


def test_a_phone_of_320_pixels_shows_all_of_it(chromium: Any, context: Any, show: Callable[..., Any]) -> None:
    """Nothing is wider than the screen, in either direction of writing."""
    page = everything(show)
    page.set_viewport_size({"width": 320, "height": 600})
    page.get_by_role("button", name="No, it was not helpful").click()
    page.get_by_role("button", name="Suggest a correction").click()

    widths = [page.evaluate("document.documentElement.scrollWidth")]
    page.evaluate("document.documentElement.dir = 'rtl'")
    widths.append(page.evaluate("document.documentElement.scrollWidth"))

    assert widths == [320, 320]


def test_it_follows_the_page_into_the_dark_and_only_then(show: Callable[..., Any]) -> None:
    """A page with a dark scheme gets a dark widget where the person prefers it; a page that is light stays light."""
    page = show("explicit_comment")
    page.emulate_media(reduced_motion="reduce")  # colours change at once
    page.get_by_role("button", name="Add a comment").click()
    light = style(page, "Send", "backgroundColor")

    page.emulate_media(color_scheme="dark")
    unchanged = style(page, "Send", "backgroundColor")
    page.evaluate("document.documentElement.style.colorScheme = 'light dark'")
    dark = style(page, "Send", "backgroundColor")
    page.evaluate("document.querySelector('feedback-widget').setAttribute('theme', 'light')")

    assert unchanged == light
    assert dark != light
    assert style(page, "Send", "backgroundColor") == light


def test_a_page_sets_colours_and_parts(show: Callable[..., Any]) -> None:
    """Custom properties and ::part reach in."""
    page = show("explicit_comment")
    page.emulate_media(reduced_motion="reduce")
    page.get_by_role("button", name="Add a comment").click()

    page.evaluate("document.querySelector('feedback-widget').style.setProperty('--feedback-accent', 'rgb(1, 2, 3)')")
    page.evaluate(
        "const sheet = new CSSStyleSheet();"
        "sheet.replaceSync('feedback-widget::part(cancel) { color: rgb(4, 5, 6) }');"
        "document.adoptedStyleSheets = [sheet]"
    )

    assert style(page, "Send", "backgroundColor") == "rgb(1, 2, 3)"
    assert style(page, "Cancel", "color") == "rgb(4, 5, 6)"


def test_nothing_moves_for_those_who_ask_for_stillness(show: Callable[..., Any]) -> None:
    """Under prefers-reduced-motion no element of the widget is animated or in transition."""
    page = show(undo_seconds="30")
    page.emulate_media(reduced_motion="reduce")

    page.get_by_role("button", name="Yes, it was helpful").click()

    assert page.evaluate("document.querySelector('feedback-widget').shadowRoot.getAnimations().length") == 0


def test_it_speaks_the_pages_language(context: Any, pages: Any, markup: Callable[..., str], api: StubApi) -> None:
    """Texts come by the nearest language, and one widget's own words win."""
    page = context.new_page()
    page.goto(pages.make(f"<div lang=de-AT>{markup(texts={'thumbs_up': 'Passt'})}</div>"))
    page.get_by_role("button", name="Passt").wait_for()

    page.evaluate(
        """async () => {
          const { FeedbackWidget } = await import("/widget.js");
          FeedbackWidget.languages.de = { thumbs_question: "War das hilfreich?", thumbs_up: "Ja" };
          document.querySelector("feedback-widget").setAttribute("model-version", "writer-13");
        }"""
    )

    page.get_by_role("group", name="War das hilfreich?").get_by_role("button", name="Passt").wait_for()
