"""Texts that mean harm, wherever people write, on every page: shown as they are, and never more than text."""

import importlib.util
from pathlib import Path
from typing import Any

import orjson
import pytest

from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream.process import catch_up
from tests.api.conftest import PEPPER, served  # noqa: F401
from tests.browser.reviewing_pages import made, open_queue, poster, signed_in

pytestmark = pytest.mark.browser
CORPUS = Path(__file__).parents[2].parent / "shared" / "bad_inputs.py"
HARM = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script><a href='javascript:1'>"
FOUND = """
[...document.querySelectorAll("*")].flatMap((element) => [
  ...(element.localName === "script" && !element.src.startsWith(`${location.origin}/static/`) ? ["script"] : []),
  ...element.getAttributeNames().filter((name) => name.startsWith("on")),
  ...["href", "src", "action", "formaction", "xlink:href"]
    .filter((name) => /^\\s*(javascript|data|vbscript):/i.test(element.getAttribute(name) ?? "")),
])
"""
"""What markup of users would bring into a page."""


def texts() -> list[str]:
    """The corpus's odd but legal texts, where it stands beside the project, and one that would do every harm."""
    if not CORPUS.exists():
        return [HARM]
    spec = importlib.util.spec_from_file_location("corpus", CORPUS)
    assert spec is not None and spec.loader is not None
    corpus = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(corpus)
    given = [case[4] for case in corpus.OK_CASES if case[0].startswith("ok_text_")]
    bodies = [orjson.loads(body) for body in given if isinstance(body, bytes)]
    return [HARM, *(body["feedback_value"]["corrected_text"] for body in bodies)]


@pytest.fixture(scope="module")
def told(served: str, database: Database, tmp_path_factory: pytest.TempPathFactory) -> str:  # noqa: F811
    """A server whose projects say all of it, wherever they may; the key that sees it."""
    admin = made(database, "admin")
    post = poster(served, admin)
    for queue, last, asked in (("said", 3, {}), ("corrected", None, {"feedback_type": "explicit_correction"})):
        items = [
            {
                "inference_request_id": f"{queue}-{place}",
                "model_name": f"model {HARM}",
                "model_version": f"1 {HARM}",
                "inputs": {
                    "messages": [{"role": HARM, "content": text}, {"role": "user", "content": {text[:200]: text}}]
                },
                "outputs": [{"output_id": "A", "content": {"text": text, "label": text[:900]}}],
                "segments": {"tier": HARM},
            }
            for place, text in enumerate(texts()[:last])
        ]
        open_queue(post, queue, items, guidelines=HARM, **asked)
    for text in texts():
        said = {"feedback_type": "explicit_comment", "feedback_value": {"text": text}, "model_version": f"1 {HARM}"}
        post("/v1/feedback", {"inference_request_id": "said-0", **said})
    rule = {"rule_id": "loud", "metric": "volume", "comparison": "above", "threshold": 0, "window_s": 600}
    post("/v1/rules", {**rule, "min_samples": 1})
    catch_up(database, Settings(data_dir=tmp_path_factory.mktemp("s"), database_url=database.url, pepper=PEPPER))
    return admin


def test_no_page_takes_text_for_markup(
    context: Any,
    served: str,  # noqa: F811
    database: Database,
    told: str,
) -> None:
    """Every text on the review page, and the worst on all others: read back whole, and nothing but text in the page."""
    page = signed_in(context, served, told, "/review")
    title = page.title()
    for queue, last in (("said", 3), ("corrected", None)):
        page.get_by_label("Queue").select_option(queue)
        wanted, seen = texts()[:last], []
        for place in range(len(wanted)):
            page.locator("#item .text").first.wait_for()
            shown = page.locator("#item .text").first.evaluate("element => element.textContent")
            seen.append(shown)
            assert page.evaluate(FOUND) == [], (queue, shown)
            page.keyboard.press("s" if place % 3 else "e")
            page.wait_for_function("text => document.querySelector('#item .text')?.textContent !== text", arg=shown)
        assert sorted(seen) == sorted(wanted), queue
    assert page.locator("#guidelines").inner_text() in ("", HARM)
    page.get_by_label("Queue").select_option("default")

    for path, sign in (
        ("/review/lead", "#left .text"),
        ("/dashboard", "option:has-text('model <img')"),
        ("/session", "main"),
    ):
        page.goto(f"{served}{path}")
        page.locator(sign).first.wait_for(state="attached")
        assert page.evaluate(FOUND) == [] and "taken" not in page.title(), path
    assert (
        page.goto(f"{served}/review?<script>alert(1)</script>")
        .headers["content-security-policy"]
        .startswith("default-src 'none'")
    )
    assert title == "Review" and page.evaluate("heard.filter(({ name }) => name === 'violation')") == []


def test_markup_would_be_found(chromium: Any, served: str) -> None:  # noqa: F811
    """The planted bug: a page that takes text for HTML, the rules for its scripts lifted, has what is looked for."""
    page = chromium.new_context(bypass_csp=True).new_page()
    page.goto(f"{served}/session")
    page.evaluate("text => { document.querySelector('main').innerHTML = text; }", HARM)

    assert set(page.evaluate(FOUND)) == {"onerror", "script", "href"}
    page.context.close()
