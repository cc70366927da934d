"""What stands around the widget: the client's own unit tests, the demonstration, and the real API where it answers."""

import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from feedback_ingest.envelopes import Feedback
from feedback_ingest.feedback_types import collect
from tests.browser.site import CLIENT
from tests.browser.stub_api import StubApi, feedback_types

pytestmark = pytest.mark.browser

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed")


@needs_node
def test_the_clients_own_tests_pass() -> None:
    """`npm test` of the web client: ids, queue, retries, budget and spool."""
    tests = sorted(str(path) for path in (CLIENT / "test").glob("*.test.js"))

    ended = subprocess.run([str(NODE), "--test", *tests], capture_output=True, text=True, timeout=120, cwd=CLIENT)

    assert ended.returncode == 0, ended.stdout[-5000:]


@needs_node
def test_every_script_parses() -> None:
    """`node --check` of each file."""
    scripts = [path for path in CLIENT.rglob("*.js") if "node_modules" not in path.parts]

    wrong = [path.name for path in scripts if subprocess.run([str(NODE), "--check", str(path)]).returncode != 0]

    assert scripts
    assert not wrong


@needs_node
def test_a_server_that_renders_pages_can_import_it() -> None:
    """Without a DOM the modules load and define nothing."""
    script = "await import('./widget.js'); await import('./feedback.js')"

    ended = subprocess.run([str(NODE), "--input-type=module", "-e", script], cwd=CLIENT, capture_output=True, text=True)

    assert ended.returncode == 0, ended.stderr


def test_no_file_is_longer_than_300_lines() -> None:
    """The house rule for Python holds for these scripts too."""
    scripts = [path for path in CLIENT.rglob("*.js") if path.parent.name != "test"]
    lines = {path.name: len(path.read_text().splitlines()) for path in scripts}

    assert lines
    assert {name: count for name, count in lines.items() if count > 300} == {}


def test_the_demonstration_needs_no_server(context: Any, pages: Any) -> None:
    """demo.html draws its widgets, shows what is sent, and complains about nothing."""
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.clock.install()
    page.goto(f"{pages.url}/demo.html")

    page.get_by_role("button", name="Yes, it was helpful").click()
    page.clock.fast_forward(6_000)
    page.locator("#log li.sent").wait_for()

    assert page.locator("feedback-widget").count() == 4
    assert complaints == []


def test_the_demonstration_knows_the_types_as_they_are(context: Any, pages: Any) -> None:
    """What the API inside the demonstration says of each type is what the project says."""
    page = context.new_page()
    page.goto(f"{pages.url}/demo.html")

    said = page.evaluate("import('/demo/stand_in.js').then(({ TYPES }) => TYPES)")

    real = {entry["name"]: entry for entry in feedback_types()}
    assert said
    for entry in said:
        assert (entry["version"], entry["widget"]) == (real[entry["name"]]["version"], real[entry["name"]]["widget"])


def test_the_short_forms_know_the_envelope(context: Any, pages: Any) -> None:
    """What the client leaves in the envelope is what the contract has there, and no type's value has such a name."""
    page = context.new_page()
    page.goto(pages.make(""))

    envelope = set(page.evaluate("import('/client/events.js').then(({ ENVELOPE }) => [...ENVELOPE])"))

    fields = set(Feedback.__struct_fields__)
    values = {field.encode_name for kind in collect().values() for field in msgspec.structs.fields(kind)}
    assert envelope == fields - {"feedback_type", "feedback_value"}
    assert not envelope & values


def test_every_widget_a_type_names_is_drawn_or_known_as_missing(
    context: Any, pages: Any, markup: Callable[..., str], api: StubApi
) -> None:
    """A new kind of widget gets a control, or is listed here: nobody forgets the web client."""
    page = context.new_page()
    page.goto(pages.make(markup()))
    drawn = set(page.evaluate("import('/widget.js').then(({ FeedbackWidget }) => [...FeedbackWidget.controls.keys()])"))

    kinds = {entry["widget"]["kind"] for entry in feedback_types()}

    assert kinds - drawn == {"none", "order", "report"}
