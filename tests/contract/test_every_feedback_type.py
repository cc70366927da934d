"""What every feedback type promises; the tests ask which there are, so a new file is under them at once."""

from typing import Any

import msgspec
import pytest

from feedback_ingest.feedback_types import FeedbackValue, collect

TYPES = collect()


@pytest.fixture(params=TYPES.values(), ids=TYPES.keys())
def feedback_type(request: pytest.FixtureRequest) -> type[FeedbackValue]:
    """Each type in turn."""
    return request.param


def valid(feedback_type: type[FeedbackValue], value: dict[str, Any]) -> bool:
    """Whether the type takes the value."""
    try:
        return not msgspec.convert(value, feedback_type).faults()
    except msgspec.ValidationError:
        return False


def test_takes_its_examples(feedback_type: type[FeedbackValue]) -> None:
    """The examples shown to people are valid."""
    assert feedback_type.examples
    assert all(valid(feedback_type, example) for example in feedback_type.examples)


def test_refuses_its_counter_examples(feedback_type: type[FeedbackValue]) -> None:
    """What a type says it refuses, it refuses."""
    assert not any(valid(feedback_type, example) for example in feedback_type.counter_examples)


def test_takes_no_unknown_field(feedback_type: type[FeedbackValue]) -> None:
    """A typo is never dropped silently."""
    assert not valid(feedback_type, {**feedback_type.examples[0], "weight": 1e9})


def test_refuses_null_for_an_absent_field(feedback_type: type[FeedbackValue]) -> None:
    """An absent field is left out, never null."""
    for name in feedback_type.examples[0]:
        assert not valid(feedback_type, {**feedback_type.examples[0], name: None})


def test_reads_as_what_the_contract_says(feedback_type: type[FeedbackValue]) -> None:
    """A reward has a finite number, a label is a label, a preference names an output: never two kinds of nonsense."""
    for example in feedback_type.examples:
        value = msgspec.convert(example, feedback_type)

        reward, label, preference = value.reward(), value.label(), value.preference()

        assert reward is None or isinstance(reward, float)
        assert label is None or isinstance(label, str | int | bool | list)
        assert preference is None or preference.preferred in str(example)


def test_explains_itself(feedback_type: type[FeedbackValue]) -> None:
    """Docstring, metric and widget are there: pages, metrics and clients are drawn from them."""
    assert feedback_type.__doc__ and not feedback_type.__doc__.startswith(feedback_type.__name__)
    assert feedback_type.metric.isidentifier()
    assert "kind" in feedback_type.widget


def test_is_described_by_a_json_schema(feedback_type: type[FeedbackValue]) -> None:
    """OpenAPI and the schema page come from the same shape the door validates with."""
    schema = msgspec.json.schema(feedback_type)

    assert schema["$defs"][feedback_type.__name__]["additionalProperties"] is False
