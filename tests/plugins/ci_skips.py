"""In CI a skip is a failure: a browser or a data set that is missing there must be noticed, not stepped over."""

import os
from collections.abc import Generator

import pytest


def in_ci() -> bool:
    """Whether this run is CI's (`CI=true`, as every hosted runner sets it)."""
    return os.environ.get("CI", "").lower() in {"1", "true"}


def _fail(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"skipped in CI, which counts as a failure: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failed one; an expected failure (`xfail`) stays what it is."""
    report = yield
    if in_ci() and report.skipped and not hasattr(report, "wasxfail"):
        _fail(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a module that skips itself while it is collected into a failed one."""
    report = yield
    if in_ci() and report.skipped:
        _fail(report)
    return report
