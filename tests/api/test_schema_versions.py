"""Schema versions at the door: each is checked by its own shape, told when it ends, and read as the newest."""

import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from sqlmodel import Session

from feedback_ingest import log
from feedback_loop.learning.attribution import attribute
from feedback_loop.learning.metrics import contributions
from feedback_loop.learning.rows import feedback_row, inference_row
from tests.api.conftest import Client

MakeKey = Callable[..., str]
PATH, NDJSON = "/v1/feedback", "application/x-ndjson"


@pytest.fixture(scope="module")
def key(make_key: MakeKey) -> str:
    """A server's key that may also read."""
    return make_key("ingest", "read")


def rating(version: str | None, **value: Any) -> dict[str, Any]:
    """A rating written by a version of the schema, or by none in particular."""
    named = {"schema_version": version} if version else {}
    return named | {
        "feedback_id": str(uuid.uuid4()),
        "inference_request_id": "r-versions",
        "model_version": "m-1",
        "feedback_type": "explicit_rating",
        "feedback_value": {"score": 5} | value,
    }


@pytest.mark.parametrize(
    ("event", "status", "pointer"),
    [
        (rating("1.1", aspect="tone"), 201, None),
        (rating(None, aspect="tone"), 201, None),
        (rating("1.0"), 201, None),
        (rating("1.0", aspect="tone"), 422, "/feedback_value/aspect"),
        (rating("1.2"), 422, "/schema_version"),
        (rating("2.0"), 422, "/schema_version"),
        (rating("1.1") | {"feedback_type": "explicit_binary"}, 422, "/schema_version"),
        (rating("1.1") | {"schema_version": 1.1}, 422, "/schema_version"),
    ],
)
def test_an_event_is_checked_by_its_own_version(
    client: Client, key: str, event: dict[str, Any], status: int, pointer: str | None
) -> None:
    """A version is one of the type's; a field that only a newer one has is unknown to it."""
    answer = client.post(PATH, key, event)

    assert answer.status_code == status
    assert pointer is None or answer.json()["errors"][0]["pointer"] == pointer


def test_a_deprecated_version_is_told(client: Client, key: str) -> None:
    """RFC 9745 and RFC 8594: since when it is deprecated and when it ends, on single answers and on batches."""
    old, new = rating("1.0"), rating("1.1")
    batches = [{"events": [new, old]}, {"events": [new]}]

    told = [client.post(PATH, key, old), *(client.post(f"{PATH}/batch", key, batch) for batch in batches)]

    assert [answer.headers.get("deprecation") for answer in told] == ["@1788220800", "@1788220800", None]
    assert [answer.headers.get("sunset") for answer in told] == [*["Wed, 01 Sep 2027 00:00:00 GMT"] * 2, None]


def test_old_rows_are_read_and_counted_as_new_ones(client: Client, key: str, session: Session) -> None:
    """Ratings stored by 1.0, by 1.1 and by no stated version are rows of one shape and add up in one metric."""
    name = f"r-{uuid.uuid4()}"
    inference = {"inference_request_id": name, "model_version": "m-1", "outputs": [{"output_id": "A", "content": "x"}]}
    client.post("/v1/inferences", key, inference)
    events = [rating("1.0"), rating("1.1", aspect="tone"), rating(None), rating("1.0", score=1)]
    receipts = [client.post(PATH, key, event | {"inference_request_id": name}).json() for event in events]

    session.rollback()
    stored = log.read(session, receipts[0]["offset"] - 2, 10)
    [answered] = [row for row in map(inference_row, stored) if row]
    rows = [row for row in map(feedback_row, stored) if row]
    counted = [
        one
        for row in rows
        for one in contributions(row | attribute(row, answered)._asdict() | {"is_undone": False}, answered, 10)
        if one.place.metric == "satisfaction"
    ]

    assert [row["feedback_value"] for row in rows] == [
        '{"aspect":"overall","score":5}', '{"aspect":"tone","score":5}',
        '{"aspect":"overall","score":5}', '{"aspect":"overall","score":1}',
    ]  # fmt: skip
    assert [one.numerator for one in counted] == [Decimal(n) for n in (1, 1, 1, 0)]
    assert stored[1].body["schema_version"] == "1.0"
