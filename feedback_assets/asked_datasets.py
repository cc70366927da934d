"""Datasets that were asked for over HTTP: compiled, or made again, and answered in the log, each request once."""

from collections.abc import Mapping
from typing import Any

from feedback_assets import facts
from feedback_assets.compiling import compile_dataset
from feedback_assets.dataset_sources import of_log
from feedback_assets.rebuilding import rebuild
from feedback_assets.resources import LogResource
from feedback_ingest.clock import utc_now
from feedback_ingest.errors import FeedbackError
from feedback_ingest.log import LogRow
from feedback_loop.learning.recipes import recipe_of
from feedback_loop.registry.dataset_requests import REBUILT, REFUSED


def carry_out(log: LogResource, request: LogRow) -> Mapping[str, Any]:
    """Does what a request asks for; what its answer in the log says. What cannot be done is an answer, too."""
    try:
        if "rebuild" in request.body:
            return _answer(log, request, REBUILT, rebuild(log, request.project_id, request.body["rebuild"])._asdict())
        recipe = recipe_of(request.body["recipe"], log.settings.golden_share)
        log_offset = request.body.get("log_offset", request.log_offset)
        asked = {"actor": request.body["actor"], "request_offset": request.log_offset}
        with of_log(log, log_offset, log.settings.data_dir) as sources:
            made = compile_dataset(log, sources, recipe, request.project_id, log_offset, asked)
    except FeedbackError as error:
        return give_up(log, request, error.code, error.detail)
    return {"dataset_version": made.version, "rows": made.manifest["rows"], "row_digest": made.manifest["row_digest"]}


def give_up(log: LogResource, request: LogRow, code: str, reason: str) -> Mapping[str, Any]:
    """Answers that it cannot be done, and why."""
    return _answer(log, request, REFUSED, {"code": code, "reason": reason})


def _answer(log: LogResource, request: LogRow, kind: str, told: Mapping[str, Any]) -> Mapping[str, Any]:
    body = {**told, "subject": request.body["subject"], "request_offset": request.log_offset}
    with log.session() as session:
        facts.append(session, log.pepper, request.project_id, kind, f"request {request.log_offset}", body, utc_now())
    return body
