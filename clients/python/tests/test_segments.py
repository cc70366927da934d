"""Frames in files: a torn tail is seen, and nothing is invented."""

import pytest
from feedback_client._segments import Unreadable, frames, pack
from hypothesis import given, settings
from hypothesis import strategies as st

PAYLOADS = st.lists(st.binary(min_size=1, max_size=300), max_size=12)


@settings(max_examples=300, deadline=None)
@given(PAYLOADS, st.data())
def test_a_torn_tail_costs_only_itself(payloads: list[bytes], data: st.DataObject) -> None:
    """Cut at any byte, a run of frames gives every payload that is wholly there, in order, and nothing else."""
    written = b"".join(map(pack, payloads))
    cut = data.draw(st.integers(0, len(written)))

    read = [frame.payload for frame in frames(written[:cut])]

    ends = [sum(len(pack(p)) for p in payloads[: n + 1]) for n in range(len(payloads))]
    assert read == payloads[: sum(end <= cut for end in ends)]


@settings(max_examples=300, deadline=None)
@given(PAYLOADS.filter(bool), st.data())
def test_a_damaged_byte_invents_nothing(payloads: list[bytes], data: st.DataObject) -> None:
    """With one byte changed anywhere, what is read are payloads that were written; those before the damage, all."""
    written = bytearray(b"".join(map(pack, payloads)))
    place = data.draw(st.integers(0, len(written) - 1))
    written[place] ^= data.draw(st.integers(1, 255))

    read: list[bytes] = []
    try:
        for frame in frames(bytes(written)):
            if frame.payload is not None:
                read.append(frame.payload)
    except Unreadable:
        pass

    before = [p for n, p in enumerate(payloads) if sum(len(pack(q)) for q in payloads[: n + 1]) <= place]
    assert read[: len(before)] == before
    assert all(payload in payloads for payload in read)


def test_zeros_are_no_events() -> None:
    """What a power cut leaves at the end of a file, a run of zeros, is not read as empty frames."""
    with pytest.raises(Unreadable):
        list(frames(pack(b"a") + bytes(4_096)))
