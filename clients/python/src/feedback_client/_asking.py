"""Asks the server and waits for its answer: again while that may help, for as long as the caller allows."""

import json
import math
import random
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx

from feedback_client._answers import PASSING, Answer, Failure, problem_of, retry_after
from feedback_client._delivery import BACKOFF_BASE_S, BACKOFF_CAP_S
from feedback_client._options import Options
from feedback_client._transport import _arguments, _failure
from feedback_client.errors import Problem, RequestFailed


class Asker:
    """One connection to the server, for one thread; `close` it, or use what owns it as a `with` block."""

    def __init__(self, options: Options, give_up_after: float | None) -> None:
        self._http = httpx.Client(**_arguments(options))  # type: ignore[arg-type]
        self._timeout = options.timeout
        self._give_up_after = math.inf if give_up_after is None else give_up_after

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: object = None,
        wait: float = 0.0,
        missing: bool = False,
        within: float | None = None,
    ) -> Any:
        """The answer's JSON value; None for a 404 that may be (`missing`), and for an answer without content.

        `wait` seconds are added to the timeout, for a server that was asked to wait. Raises RequestFailed, after
        `within` seconds of trying where that is less than the asker's own patience.
        """
        began, attempt = time.monotonic(), 0
        patience = min(self._give_up_after, math.inf if within is None else within)
        while True:
            reply = self._once(method, path, params, body, wait)
            if isinstance(reply, Answer) and reply.status in (200, 201, 204):
                return json.loads(reply.body) if reply.body else None
            if isinstance(reply, Answer) and reply.status == 404 and missing:
                return None
            problem, least = _problem(reply)
            pause = least + random.uniform(0, min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2**attempt))
            spent = time.monotonic() - began + pause
            if not problem.retryable or spent > patience:
                raise RequestFailed(problem)
            time.sleep(pause)
            attempt += 1

    def close(self) -> None:
        """Closes the connection."""
        self._http.close()

    def _once(
        self, method: str, path: str, params: Mapping[str, Any] | None, body: object, wait: float
    ) -> Answer | Failure:
        try:
            response = self._http.request(
                method, path, params=params, json=body if body is not None else None, timeout=self._timeout + wait
            )
        except (httpx.HTTPError, OSError, ValueError, RuntimeError) as error:
            return _failure(error)
        return Answer(response.status_code, response.headers, response.content)


def _problem(reply: Answer | Failure) -> tuple[Problem, float]:
    """Why there is no good answer, and the least seconds to wait before asking again."""
    if isinstance(reply, Failure):
        return Problem(reply.code, None, reply.detail, retryable=True), 0.0
    problem = problem_of(reply)
    if reply.status in PASSING or reply.status >= 500:
        return replace(problem, retryable=True), retry_after(reply)
    return problem, 0.0
