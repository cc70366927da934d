"""The dashboard in a browser, on the real API and stream: live, marked, readable by all, honest when things break."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlmodel import Session

from feedback_ingest import keys
from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import utc_now
from feedback_ingest.postgres import Database
from feedback_loop.registry import shadow_figures
from feedback_loop.registry.champions import promote
from feedback_loop.registry.shadows import begin
from feedback_loop.registry.shelf import RegisteredModel
from feedback_loop.registry.tables import KnownVersion
from tests.api.conftest import PEPPER, wait_until_ready
from tests.browser.site import until
from tests.ports import free_port

pytestmark = pytest.mark.browser
SIZES = {"desk": (1280, 900), "phone": (390, 844)}
LIVE = "#connection[data-state=live]"


class Running:
    """`feedback api` and `feedback stream` on the module's database; the API can be killed and started again."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._port = free_port()
        self._folder = folder
        self.url = f"http://127.0.0.1:{self._port}"
        settings = {"FEEDBACK_DATABASE_URL": database.url, "FEEDBACK_DATA_DIR": str(folder), "FEEDBACK_PEPPER": PEPPER}
        self._environment = os.environ | settings | {"FEEDBACK_GRPC": "false", "FEEDBACK_RULE_MIN_SAMPLES": "20"}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *options: str) -> None:
        """Starts one of them."""
        command = [sys.executable, "-m", "feedback_cli", name, *options]
        with (self._folder / name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )

    def start_api(self) -> None:
        """Starts the API, and returns when it is ready."""
        self.start("api", "--port", str(self._port))
        wait_until_ready(self.url, self._processes["api"], self._folder / "api")

    def report(self, rows: list[dict[str, Any]]) -> None:
        """Stores what the graph says of the versions in the shadow."""
        (self._folder / "lake").mkdir()
        pq.write_table(pa.Table.from_pylist(rows), self._folder / "lake" / shadow_figures.FILE)

    def kill_api(self) -> None:
        """Ends the API as a crash would."""
        os.killpg(self._processes["api"].pid, signal.SIGKILL)
        self._processes.pop("api").wait(20)

    def stop(self) -> None:
        """Ends both."""
        for process in self._processes.values():
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)


@pytest.fixture(scope="module")
def running(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """API and stream."""
    made = Running(database, tmp_path_factory.mktemp("running"))
    made.start("stream")
    made.start_api()
    yield made
    made.stop()


@pytest.fixture
def key(session: Session) -> str:
    """A key that sends and reads."""
    made = keys.create(session, "default", ["ingest", "read"], utc_now()).key
    session.commit()
    return made


@pytest.fixture
def post(running: Running, key: str) -> Callable[..., None]:
    """Posts so many inferences of a version with their truths, a share of the answers right."""

    def send(version: str, count: int, right: float, first: int = 0) -> None:
        names = [f"{version}-{n}" for n in range(first, first + count)]
        model = {"model_name": "digits", "model_version": version}
        answered = [
            {**model, "inference_request_id": name, "outputs": [{"output_id": "A", "content": {"label": 1}}]}
            for name in names
        ]
        told = [
            {**model, "inference_request_id": name, "feedback_type": "ground_truth",
             "feedback_value": {"label": 1 if n < count * right else 2}}
            for n, name in enumerate(names)
        ]  # fmt: skip
        headers = {"Authorization": f"Bearer {key}"}
        for kind, events in (("inferences", answered), ("feedback", told)):
            url = f"{running.url}/v1/{kind}/batch"
            answer = httpx.post(url, headers=headers, json={"events": events}, trust_env=False, timeout=20)
            assert answer.status_code == 201, answer.text

    return send


@pytest.fixture
def open_page(chromium: Any, running: Running, key: str) -> Iterator[Callable[..., Any]]:
    """Signs in by the form and waits until the page is live; whatever the browser complains of fails the test."""
    complaints: list[str] = []
    contexts: list[Any] = []

    def signed_in(size: str = "desk", scheme: str = "light") -> Any:
        width, height = SIZES[size]
        context = chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": height})
        contexts.append(context)
        context.set_default_timeout(30_000)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
        page.goto(f"{running.url}/dashboard")
        page.get_by_label("API key").fill(key)
        page.get_by_role("button", name="Sign in").click()
        page.locator(LIVE).wait_for()
        return page

    yield signed_in
    for context in contexts:
        context.close()
    assert complaints == []


def refused_by_axe(page: Any) -> list[str]:
    """What axe-core finds of WCAG 2.1 AA; it is run beside the page's own policy."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="it is in the development group")
    found = axe.Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"]})
    return [f"{one['id']}: {one['nodes'][0]['html'][:150]}" for one in found.response["violations"]]


def test_without_data_it_says_so(open_page: Callable[..., Any]) -> None:
    """Each part tells that there is nothing yet, and nothing is broken."""
    page = open_page()
    until(page, "document.querySelectorAll('.empty').length >= 8")

    page.get_by_text("No model was promoted yet.").wait_for()
    page.get_by_text("Nothing waits longer than it may.").wait_for()
    assert page.get_by_role("status").inner_text() == "Live"


def test_it_lives(open_page: Callable[..., Any], post: Callable[..., None]) -> None:
    """What is posted is on the screen seconds later, without a reload: rates, metrics by version, latency, an alert."""
    page = open_page()
    page.evaluate("window.isTheSamePage = true")

    post("digits-0001", 60, right=1.0)
    page.locator("#metric-chart .legend").get_by_text("digits-0001 1").wait_for()
    post("digits-0002", 60, right=0.25)
    page.locator("#metric-chart .legend").get_by_text("digits-0002 0.25").wait_for()
    page.locator("#alerts").get_by_text("▲ stands").first.wait_for()
    page.locator("#metric-chart .legend").get_by_text("alert raised").wait_for()
    until(page, "document.querySelector('#latency tbody tr:nth-child(5) td:nth-child(6)')?.textContent > 0", 15)

    said = page.locator("#metric-chart .plot").get_attribute("aria-label")
    assert page.evaluate("window.isTheSamePage")
    assert "digits-0001 1" in said and "1 alerts" in said
    assert "alert raised" in page.locator("#decisions").inner_text()
    until(page, "document.querySelector('#latency').innerText.includes('✓\u00a0met')", 15)


@pytest.mark.parametrize(("size", "scheme"), [("desk", "light"), ("phone", "dark")])
def test_everybody_can_use_it(open_page: Callable[..., Any], post: Callable[..., None], size: str, scheme: str) -> None:
    """axe-core finds nothing, nothing is wider than the screen, and every chart is a table for who wants one."""
    post("digits-0003", 30, right=0.9)
    page = open_page(size, scheme)
    page.locator("#metric-chart .legend").get_by_text("digits-0003").wait_for()
    for summary in page.locator("details summary").all():
        summary.focus()
        page.keyboard.press("Enter")
    page.locator("#metric-table tbody tr").first.wait_for()

    assert refused_by_axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("details table").count() == 3


@pytest.mark.chaos
def test_it_survives_a_restart_of_the_api(
    open_page: Callable[..., Any], running: Running, post: Callable[..., None]
) -> None:
    """While the API is away the page says of when its figures are; afterwards it goes on by itself."""
    page = open_page()

    running.kill_api()
    page.get_by_text("The API does not answer; trying again.").wait_for()
    stale = page.get_by_role("status").inner_text()
    running.start_api()
    page.locator(LIVE).wait_for(timeout=60_000)
    post("digits-0004", 10, right=1.0)
    page.locator("#metric-chart .legend").get_by_text("digits-0004").wait_for()

    assert stale == "Reconnecting"
    assert page.locator("#notice").is_hidden()


def test_it_ends_with_its_key(open_page: Callable[..., Any], session: Session, key: str) -> None:
    """Within seconds of the revocation nothing is left on the screen but the way to sign in again."""
    page = open_page()

    keys.revoke(session, keys.key_id_of(key), utc_now())
    session.commit()
    page.get_by_text("Your session has ended").wait_for(timeout=8_000)

    assert page.locator("main").inner_text() == page.locator("header form").inner_text() == ""
    page.get_by_role("link", name="Sign in again").click()
    assert page.get_by_label("API key").is_visible()


def test_signing_out_leads_to_the_sign_in(open_page: Callable[..., Any], running: Running) -> None:
    """And the page cannot be seen again without a key; a link from elsewhere keeps who is signed in."""
    page = open_page()
    page.goto("about:blank")
    page.set_content(f'<a href="{running.url}/dashboard">there</a>')
    page.get_by_role("link").click()
    page.locator(LIVE).wait_for()

    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("API key").wait_for()
    page.goto(f"{running.url}/dashboard")

    assert page.url.endswith("/session?next=/dashboard")


def test_it_shows_what_a_shadow_has_shown(
    open_page: Callable[..., Any], running: Running, session: Session, pepper: Pepper
) -> None:
    """Who answers beside the champion, how often both were right with 95 % intervals, and what is thought of it."""
    report = {"project_id": 1, "model_name": "scanner", "shadow_version": "s-2", "champion_version": "s-1",
              "samples": 60, "shadow_right": 54, "champion_right": 30, "shadow_alone": 26, "champion_alone": 2,
              "evidence": 12.5, "outcome": "wait", "reason": "not sure yet: of 60 labelled answers"}  # fmt: skip
    promote(session, RegisteredModel(1, "scanner", "s-1"), "test", utc_now(), pepper)
    beside = session.merge(KnownVersion(project_id=1, model_name="scanner", model_version="s-2"))
    since = begin(session, beside, {"reason": "test"}, utc_now(), pepper)
    session.commit()
    running.report([{**report, "since_offset": since}])

    page = open_page()
    page.locator("#shadows").get_by_text("0.90 (0.80 to 0.95)").wait_for()

    said = page.locator("#shadows").inner_text()
    assert "s-1 champion" in said and "s-2 shadow" in said and "0.50 (0.38 to 0.62)" in said
    assert "Not sure yet: of 60 labelled answers; evidence 12.5, sure at 20" in said
    assert "in the shadow" in page.locator("#decisions").inner_text()
    assert refused_by_axe(page) == []
