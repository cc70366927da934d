"""A FastAPI route with a body model and one INSERT a request from a pool: durable, in the obvious way."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from fastapi import FastAPI, Request

from benchmarks.apps.noop import Feedback

INSERT = "INSERT INTO naive (feedback_id, received_at, body) VALUES ($1, now(), $2) RETURNING log_offset"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """A pool of 16 connections to the benchmark's database."""
    async with asyncpg.create_pool(os.environ["BENCHMARK_DSN"], min_size=16, max_size=16) as app.state.pool:
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/v1/feedback", status_code=201)
async def receive(feedback: Feedback, request: Request) -> dict[str, Any]:
    """Answers after its own commit."""
    body = json.dumps(feedback.model_dump())
    offset = await request.app.state.pool.fetchval(INSERT, feedback.feedback_id, body)
    return {"feedback_id": feedback.feedback_id, "offset": offset, "status": "accepted"}
