"""A page in a real browser on one origin, and the feedback API on another."""

import json
import shutil
from collections.abc import Callable, Iterator
from html import escape
from typing import Any

import pytest

from tests.browser.site import Pages
from tests.browser.stub_api import KEY, StubApi

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
LISTEN = """
window.heard = [];
for (const name of ["sent", "refused", "undone", "unavailable"])
  document.addEventListener(`feedback-${name}`, ({ detail }) => window.heard.push({ name, ...detail }));
document.addEventListener("securitypolicyviolation",
  ({ violatedDirective }) => window.heard.push({ name: "violation", violatedDirective }));
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """One headless browser for a module's tests; Playwright's event loop must not stay open under other tests'."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, headless=True, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def pages() -> Iterator[Pages]:
    """The site."""
    site = Pages()
    yield site
    site.close()


@pytest.fixture
def api(pages: Pages) -> Iterator[StubApi]:
    """The feedback API, which lets the site's origin in."""
    stub = StubApi(pages.url)
    stub.open()
    yield stub
    stub.close()


@pytest.fixture
def context(chromium: Any) -> Iterator[Any]:
    """A browser's profile: its pages share storage, and nothing with other tests."""
    made = chromium.new_context()
    made.set_default_timeout(30_000)
    made.add_init_script(LISTEN)
    yield made
    made.close()


@pytest.fixture
def markup(api: StubApi) -> Callable[..., str]:
    """Makes the text of a widget; names with underscores become attributes with hyphens."""

    def make(types: str = "explicit_binary", **attributes: Any) -> str:
        given = {
            "api_url": api.url,
            "api_key": KEY,
            "inference_request_id": "req-1",
            "model_version": "writer-12",
            "types": types,
            **attributes,
        }
        text = {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}
        words = [f'{name.replace("_", "-")}="{escape(value)}"' for name, value in text.items()]
        return f"<feedback-widget {' '.join(words)}></feedback-widget>"

    return make


@pytest.fixture
def show(context: Any, pages: Pages, markup: Callable[..., str]) -> Callable[..., Any]:
    """Opens a page with one widget and waits until it is drawn."""

    def open_page(types: str = "explicit_binary", **attributes: Any) -> Any:
        page = context.new_page()
        page.goto(pages.make(markup(types, **attributes)))
        page.locator("feedback-widget").get_by_role("button").or_(page.get_by_role("radio")).first.wait_for()
        return page

    return open_page
