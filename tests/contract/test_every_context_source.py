"""What every source of context promises, whoever wrote it."""

import pytest

from feedback_loop.stream.context_sources import ContextSource, collect
from feedback_loop.stream.context_sources._base import Options


@pytest.mark.parametrize("name", collect())
def test_a_source_says_what_it_is(name: str) -> None:
    """It is found by its name, says what it is asked about, and takes what every source takes."""
    kind = collect()[name]

    assert issubclass(kind, ContextSource) and kind.name == name and kind.__doc__
    assert kind.about in ("user_ref", "inference_request_id")
    assert issubclass(kind.shape, Options)
