"""A FastAPI route with a body model that stores nothing: what the framework alone costs."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Feedback(BaseModel):
    """The envelope as one would write it first."""

    feedback_id: str
    inference_request_id: str
    model_version: str
    feedback_type: str
    feedback_value: dict[str, Any]
    user_context: dict[str, Any] = {}


@app.post("/v1/feedback", status_code=201)
async def receive(feedback: Feedback) -> dict[str, Any]:
    """Answers without keeping anything."""
    return {"feedback_id": feedback.feedback_id, "status": "accepted"}
