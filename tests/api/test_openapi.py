"""The OpenAPI document and the API are one thing: what is generated from the one is answered by the other as it says.

`FEEDBACK_TEST_EXAMPLES` sets how many requests are made for each operation.
"""

import os
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import one_of

from api.app import create_whole_app
from tests.api.conftest import Client

schemathesis = pytest.importorskip("schemathesis", reason="it is in the development group")

EXAMPLES = int(os.environ.get("FEEDBACK_TEST_EXAMPLES", "5"))
DOCUMENT = create_whole_app().openapi()
OPERATIONS = [
    (method, path)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
    if "text/event-stream" not in operation["responses"].get("200", {}).get("content", {})  # it ends with its client
]


@pytest.fixture(scope="module")
def key(make_key: Any) -> str:
    """A key that may do everything, so that the answers are about the requests."""
    return make_key("admin", "ingest", "read", "review")


def answer_to(client: Client, case: Any, key: str) -> httpx.Response:
    """Sends a generated request to the app in this process."""
    import requests

    prepared = requests.Request(**case.as_transport_kwargs(base_url="http://app")).prepare()
    headers = {name: value for name, value in prepared.headers.items() if name.lower() != "authorization"}
    body = prepared.body.encode() if isinstance(prepared.body, str) else prepared.body
    send = client._http.request(
        prepared.method, prepared.url, headers=headers | {"Authorization": f"Bearer {key}"}, content=body
    )
    return client.run(send)


def every_reference(value: Any) -> list[str]:
    """All `$ref` of the document."""
    if isinstance(value, dict):
        here = [value["$ref"]] if "$ref" in value else []
        return here + [ref for one in value.values() for ref in every_reference(one)]
    return [ref for one in value for ref in every_reference(one)] if isinstance(value, list) else []


def test_every_reference_leads_somewhere() -> None:
    """The document is complete in itself, and no framework's error shapes are left in it."""
    schemas = DOCUMENT["components"]["schemas"]

    lost = {ref for ref in every_reference(DOCUMENT) if ref.removeprefix("#/components/schemas/") not in schemas}

    assert not lost
    assert "HTTPValidationError" not in schemas


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_operation_answers_as_it_is_declared(client: Client, key: str, method: str, path: str) -> None:
    """No 5xx, no undocumented status, no other media type: for requests that fit the document and such that do not."""
    from schemathesis.specs.openapi import checks

    operation = schemathesis.openapi.from_dict(DOCUMENT)[path][method]
    promised = [checks.status_code_conformance, checks.content_type_conformance]
    modes = schemathesis.GenerationMode
    # What does not fit an event is the corpus' business: to generate it from fifteen shapes at once takes minutes.
    wrong = () if path.startswith("/v1/feedback") and method == "post" else (operation.as_strategy(modes.NEGATIVE),)
    cases = one_of(operation.as_strategy(modes.POSITIVE), *wrong)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],  # a generated event takes minutes to shrink
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def holds(case: Any) -> None:
        answer = answer_to(client, case, key)
        assert answer.status_code < 500
        case.validate_response(answer, checks=promised)

    holds()
