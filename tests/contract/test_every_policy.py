"""What every kind of policy promises, whoever wrote it."""

import msgspec
import pytest

from feedback_ingest.clock import utc_now
from feedback_ingest.decisions import POLICY_SET
from feedback_ingest.log import LogRow
from feedback_loop.learning.policies import collect, in_force


def fact(offset, kind, policy):
    """The log's fact that a project set a policy."""
    return LogRow(
        offset, 7, POLICY_SET, str(offset), utc_now(), utc_now(), {"subject": kind, "version": offset, "policy": policy}
    )


@pytest.mark.parametrize("name", collect())
def test_a_policy_has_a_default_that_may_be_set(name):
    """Without a word everything has a value, which is JSON, reads back as itself, and has no faults."""
    kind = collect()[name]
    default = kind()

    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(default.as_data())), kind) == default
    assert default.faults([]) == []
    assert (kind.__doc__ or "").strip()


@pytest.mark.parametrize("name", collect())
def test_the_newest_readable_policy_is_in_force(name):
    """What another version of the program wrote and this one cannot read changes nothing, nor does another kind."""
    kind = collect()[name]
    facts = [fact(1, name, kind().as_data()), fact(2, name, {"unheard_of": 1}), fact(3, "another", {})]

    assert in_force(facts, kind) == {7: kind()}
    assert in_force(facts[1:], kind) == {}
