"""A FastAPI route with a body model and one INSERT a request from a pool: durable, in the obvious way."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from fastapi import FastAPI, Request

from benchmarks.apps.noop import Feedback

TABLE = """
CREATE TABLE naive (LIKE staging.feedback_events INCLUDING ALL);
CREATE SEQUENCE naive_offsets;
ALTER TABLE naive ALTER log_offset SET DEFAULT nextval('naive_offsets'), ALTER received_at SET DEFAULT now(),
    ADD UNIQUE (project_id, kind, id);
"""
"""The columns and indexes of the log, an event's name once."""
INSERT = """
INSERT INTO naive (project_id, kind, id, occurred_at, inference_request_id, model_version, feedback_type,
                   feedback_value, user_context, body)
VALUES (1, 'feedback', $1, now(), $2, $3, $4, $5, $6, $7) RETURNING log_offset
"""


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """A pool of 16 connections to the benchmark's database."""
    async with asyncpg.create_pool(os.environ["BENCHMARK_DSN"], min_size=16, max_size=16) as app.state.pool:
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/v1/feedback", status_code=201)
async def receive(feedback: Feedback, request: Request) -> dict[str, Any]:
    """Answers after its own commit."""
    event = feedback.model_dump()
    value, context = json.dumps(event["feedback_value"]), json.dumps(event["user_context"])
    named = (event["feedback_id"], event["inference_request_id"], event["model_version"], event["feedback_type"])
    offset = await request.app.state.pool.fetchval(INSERT, *named, value, context, json.dumps(event))
    return {"feedback_id": feedback.feedback_id, "offset": offset, "status": "accepted"}
