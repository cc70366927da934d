"""Figures for Prometheus: what a stream process tells, and alerting rules that name only what is told."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from api import meters
from feedback_ingest.canonical import Pepper
from feedback_ingest.errors import SetupError
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream.figures import serving
from feedback_loop.stream.process import catch_up
from tests.ports import free_port
from tests.stream.events import append, pairs, truth
from tests.stream.outboxes import delivered, delivering, endpoint, put_out, wipe_all
from tests.support.receivers import answering, receiving
from tests.support.waiting import wait_for

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "rules.yaml"
FUNCTIONS = {
    "absent",
    "by",
    "for",
    "histogram_quantile",
    "increase",
    "le",
    "max",
    "offset",
    "or",
    "rate",
    "sum",
    "vector",
}
NAME = re.compile(r"[a-z_]{4,}")


@pytest.fixture
def listening(database: Database, settings: Settings) -> Settings:
    """Settings with a port of the test's own, and an empty database."""
    wipe_all(database)
    return settings.model_copy(update={"stream_metrics_port": free_port()})


def scraped(settings: Settings) -> str:
    """What Prometheus would read."""
    return httpx.get(f"http://127.0.0.1:{settings.stream_metrics_port}/metrics", trust_env=False).text


def value(page: str, name: str, **labels: str) -> float | None:
    """One sample; None where there is none."""
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return sample.value
    return None


def test_a_stream_tells_where_it_stands(database: Database, listening: Settings, pepper: Pepper) -> None:
    """Lag, batches, events, alerts that stand, messages by what became of them."""
    with receiving(answering(500, 204)) as receiver, serving(database, listening):
        endpoint(database, pepper, receiver.url, "metric.breached")
        wrong = [truth(f"x{n}", f"i{n}", 9, second=n) for n in range(40)]
        append(database, pepper, *pairs(0, 40), *wrong)
        before = scraped(listening)
        catch_up(database, listening.model_copy(update={"rule_min_samples": 20}))
        waiting = scraped(listening)
        with delivering(database, pepper):
            wait_for(lambda: failed(scraped(listening)) == failed(before) + 1, what="a failed attempt")
            put_out(database, "another")
            delivered(database)
        after = scraped(listening)

    def lag(page: str) -> float | None:
        return value(page, "feedback_stream_lag_events", consumer="alerts")

    assert (lag(before), value(before, "feedback_alerts_standing")) == (121, 0)
    assert (lag(waiting), value(waiting, "feedback_alerts_standing")) == (0, 1)
    assert value(waiting, "feedback_webhook_waiting_messages") == 1
    assert (value(after, "feedback_stream_events_total") or 0) - (
        value(before, "feedback_stream_events_total") or 0
    ) > 120
    assert (value(after, "feedback_webhook_attempts_total", outcome="delivered") or 0) >= 1
    assert value(after, "feedback_database_up") == 1


def test_a_database_that_is_away_is_told(listening: Settings) -> None:
    """One figure says so; the process's own are there all the same."""
    from sqlalchemy import make_url

    nobody = Database(make_url("postgresql://nobody@127.0.0.1:1/none"))
    with serving(nobody, listening):
        page = scraped(listening)

    assert value(page, "feedback_database_up") == 0
    assert value(page, "feedback_alerts_standing") is None
    assert "feedback_stream_events_total" in page


def test_a_port_that_was_asked_for_must_be_free(database: Database, listening: Settings) -> None:
    """A second stream on the machine goes without the usual port, and says so where somebody chose another."""
    usual = listening.model_copy()
    usual.__pydantic_fields_set__.discard("stream_metrics_port")
    with serving(database, listening):
        with serving(database, usual):
            pass
        with pytest.raises(SetupError, match="choose another port"), serving(database, listening):
            pass


def failed(page: str) -> float:
    """Attempts that this process saw answered with a status of the server's fault, in whichever test."""
    return value(page, "feedback_webhook_attempts_total", outcome="5xx") or 0


def rules() -> list[dict[str, Any]]:
    """Every rule of the file."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def unknown_names(expression: str, told: set[str]) -> set[str]:
    """Words of an expression that are neither PromQL, nor labels, nor told by anybody."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|by \([^)]*\)', " ", expression)
    return set(NAME.findall(bare)) - FUNCTIONS - told


def test_the_rules_name_only_what_is_told(database: Database, listening: Settings) -> None:
    """Each name in a rule is on the page of the API or of a stream, so that no alert is silent for a slip."""
    with serving(database, listening):
        pages = scraped(listening) + meters.render().decode()
    told = set()
    for line in pages.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            told |= {name} if kind != "histogram" else {f"{name}_bucket", f"{name}_sum", f"{name}_count"}

    found = {rule["alert"]: unknown_names(rule["expr"], told) for rule in rules()}

    assert {name: words for name, words in found.items() if words} == {}
    assert unknown_names("max(feedback_stream_lag_secs) > 1", told) == {"feedback_stream_lag_secs"}


def test_the_rules_are_rules() -> None:
    """Each has what Alertmanager needs to route it and a person to act on it; Prometheus' own checker is asked, too."""
    for rule in rules():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}, rule
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert {"summary", "description"} == set(rule["annotations"])
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
        assert rule["expr"].count("(") == rule["expr"].count(")")
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names)) > 10
    if promtool := shutil.which("promtool"):
        subprocess.run([promtool, "check", "rules", str(RULES)], check=True, timeout=60)
