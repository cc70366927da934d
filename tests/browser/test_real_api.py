"""The widget on a page, a browser key, and the real API in a process of its own: the event is a row of the log."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlmodel import Session, select

from feedback_ingest import keys
from feedback_ingest.clock import utc_now
from feedback_ingest.postgres import Database
from feedback_ingest.tables import FeedbackEvent
from tests.api.conftest import wait_until_ready
from tests.browser.site import Pages, until
from tests.ports import free_port
from tests.support.waiting import wait_for

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def real(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of `feedback api`."""
    folder: Path = tmp_path_factory.mktemp("api")
    port = free_port()
    settings = {"FEEDBACK_DATABASE_URL": database.url, "FEEDBACK_DATA_DIR": str(folder), "FEEDBACK_PEPPER": "p" * 32}
    settings["FEEDBACK_GRPC"] = "false"
    command = [sys.executable, "-m", "feedback_cli", "api", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=os.environ | settings, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_until_ready(f"http://127.0.0.1:{port}", process, folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        assert process.wait(20) == 0


def preflight(url: str, origin: str) -> int:
    """How the API answers what a browser asks before it reads the feedback types."""
    asked = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    return httpx.request("OPTIONS", f"{url}/v1/feedback-types", headers=asked, trust_env=False).status_code


@pytest.fixture
def widget(session: Session, real: str, pages: Pages, markup: Callable[..., str]) -> Callable[..., str]:
    """Makes a page of a site that a public key lists."""
    key = keys.create(session, "default", ["ingest:public"], utc_now(), origins=[pages.url]).key
    session.commit()
    wait_for(lambda: preflight(real, pages.url) == 204, 60, "the API to know the key's origin")

    def make(types: str, **attributes: Any) -> str:
        given = {"api_url": real, "api_key": key, "undo": "none", **attributes}
        return pages.make(markup(types, **given))

    return make


def test_feedback_from_a_page_is_a_row_of_the_log(context: Any, widget: Callable[..., str], session: Session) -> None:
    """A thumb, stars and a correction, given in a browser on a listed origin, stand in the log as they were given."""
    page = context.new_page()
    page.goto(widget("explicit_binary explicit_rating explicit_correction", text="At 10.", model_name="writer"))

    page.get_by_role("button", name="No, it was not helpful").click()
    page.get_by_role("radio", name="2 of 5").click()
    page.get_by_role("button", name="Suggest a correction").click()
    page.get_by_role("textbox").fill("At 9.")
    page.get_by_role("button", name="Send").click()
    until(page, "heard.length === 3")

    heard = {each["feedback_id"]: each for each in page.evaluate("heard")}
    rows = {str(row.id): row for row in session.exec(select(FeedbackEvent)) if str(row.id) in heard}
    assert {each["status"] for each in heard.values()} == {"accepted"}
    assert {id_: (row.log_offset, row.feedback_type) for id_, row in rows.items()} == {
        id_: (each["offset"], each["feedback_type"]) for id_, each in heard.items()
    }


def test_a_page_that_the_key_does_not_list_gets_nothing(context: Any, widget: Callable[..., str], pages: Pages) -> None:
    """The same key on another origin draws no widget, and the page hears why."""
    page = context.new_page()
    address = widget("explicit_binary").replace("127.0.0.1", "localhost", 1)

    page.goto(address)
    until(page, "heard.length")

    assert page.evaluate("heard[0]") == {"name": "unavailable", "code": "network"}
    assert page.get_by_role("button").count() == 0
