"""Ten real items of four kinds, judged by keyboard as a reviewer would; those that stand beside the project."""

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from feedback_ingest.postgres import Database
from tests.api.conftest import served  # noqa: F401
from tests.browser.reviewing_pages import made, open_queue, poster, signed_in
from tests.stream.outboxes import rows
from tests.support.waiting import wait_for

pytestmark = pytest.mark.browser
DATA = Path(__file__).parents[2].parent / "shared" / "data"
SHADES = """
(() => {
  const { data } = document.querySelector("#item canvas").getContext("2d").getImageData(0, 0, 8, 8);
  return new Set(data).size;
})()
"""


@pytest.fixture
def real(tmp_path: Path) -> Callable[[str, int], list[dict[str, Any]]]:
    """The first inferences of a data set, as if they were answered now."""
    if not DATA.exists():
        pytest.skip("the data sets are not beside the project")

    def read(name: str, count: int) -> list[dict[str, Any]]:
        converter = [sys.executable, str(DATA / f"convert_{name}.py"), str(tmp_path / name), str(count)]
        subprocess.run(converter, check=True, capture_output=True)
        lines = gzip.decompress((tmp_path / name / "inferences.jsonl.gz").read_bytes()).splitlines()
        return [{key: value for key, value in orjson.loads(line).items() if key != "occurred_at"} for line in lines]

    return read


def digits(count: int) -> list[dict[str, Any]]:
    """Handwritten digits, eight by eight, with an answer that may be wrong."""
    from sklearn.datasets import load_digits

    images = load_digits().images[:count].tolist()
    answer = [{"output_id": "A", "content": {"label": 3}}]
    named = [{"inference_request_id": f"digit-{n}", "model_version": "digits-1"} for n in range(count)]
    return [{**name, "inputs": {"pixels": image}, "outputs": answer} for name, image in zip(named, images, strict=True)]


def put(page: Any, *pressed: str) -> None:
    """Presses keys, each once the item that the last one brought is there: while one is loaded, keys answer nothing."""
    for key in pressed:
        if key != "u":
            page.locator("#answer kbd").first.wait_for()
        before = page.locator("body").inner_text()
        page.keyboard.press(key)
        wait_for(lambda before=before: page.locator("body").inner_text() != before)


def test_ten_real_items_by_keyboard(
    context: Any,
    served: str,  # noqa: F811
    database: Database,
    real: Callable[[str, int], list[dict[str, Any]]],
) -> None:
    """Labels, pairs, corrections and pictures; one answer is undone, one item left to an expert, none lost."""
    post = poster(served, made(database, "admin"))
    open_queue(post, "labels", real("label_errors", 3))
    open_queue(post, "pairs", real("llmfao", 3), feedback_type="preference_pair")
    open_queue(post, "texts", real("mlqe_pe", 2)[:2], feedback_type="explicit_correction")
    open_queue(post, "pictures", digits(2), options=list(range(10)))
    page = signed_in(context, served, made(database, "review"), "/review")

    page.get_by_label("Queue").select_option("labels")
    page.locator("#answer kbd").first.wait_for()
    put(page, "1", "u", "1", "1", "1")
    page.get_by_label("Queue").select_option("pairs")
    page.locator("#answer .sides").wait_for()
    put(page, "1", "e", "t")
    page.get_by_label("Queue").select_option("texts")
    for _ in range(2):
        page.locator("textarea").focus()
        page.keyboard.press("Control+End")
        page.keyboard.type(" (geprüft)")
        assert page.locator("ins").count() == 1
        put(page, "Control+Enter")
    page.get_by_label("Queue").select_option("pictures")
    page.locator("#item canvas").wait_for()
    assert page.evaluate(SHADES) > 5, "a picture is drawn"
    put(page, "1", "2")
    page.reload()  # what is held goes out when the page is left

    query = "SELECT state, count(*) FROM review_tasks GROUP BY state ORDER BY state"
    wait_for(lambda: rows(database, query) == [("decided", 9), ("escalated", 1)])
    assert page.evaluate("heard.filter(({ name }) => name === 'violation')") == []
