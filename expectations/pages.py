"""Great Expectations' own page of what it found (Data Docs), as one HTML file that a browser opens."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from feedback_ingest.clock import utc_now


def write_page(found: Iterable[Any], title: str, path: Path) -> None:
    """Renders results of Great Expectations into `path`, in place of what was there.

    Styles come from a network as Great Expectations' pages always do; the words are there without it.
    """
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.render.renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    results = [_in_plain_numbers(one) for one in found]
    held = sum(bool(one.success) for one in results)
    told = ExpectationSuiteValidationResult(
        success=held == len(results),
        results=results,
        suite_name=title,
        statistics={
            "evaluated_expectations": len(results),
            "successful_expectations": held,
            "unsuccessful_expectations": len(results) - held,
            "success_percent": 100 * held / len(results) if results else None,
        },
        meta={"run_id": RunIdentifier(run_name=title, run_time=utc_now()), "batch_kwargs": {}, "batch_spec": {}},
    )
    page = DefaultJinjaPageView().render(ValidationResultsPageRenderer().render(told))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(page, encoding="utf-8")
    partial.replace(path)


def _in_plain_numbers(result: Any) -> Any:
    """The page renders numbers of Python, and none of NumPy's."""
    observed = result.result.get("observed_value")
    if hasattr(observed, "item"):
        result.result["observed_value"] = observed.item()
    return result
