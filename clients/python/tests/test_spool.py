"""The spool: what `send` returned for is in a file, whole or not at all, and comes out once."""

import json
import os
from pathlib import Path

import pytest
from feedback_client import ConfigurationError
from feedback_client._memory import BufferFull
from feedback_client._segments import HEADER, MAGIC, Segment, pack
from feedback_client._spool import Spool
from feedback_client._wire import FEEDBACK, INFERENCE, Item
from hypothesis import given, settings
from hypothesis import strategies as st

MIB = 1024 * 1024


def _item(name: object, size: int = 0) -> Item:
    return Item(FEEDBACK, json.dumps({"feedback_id": str(name), "x": "x" * size}).encode())


def _spool(folder: Path, limit: int = 64 * MIB) -> Spool:
    return Spool(folder, limit, "never")


def _drain(spool: Spool, at_once: int = 7) -> list[Item]:
    taken: list[Item] = []
    while spool.waiting_events or spool.backlog_bytes:
        items = spool.take(at_once, MIB)
        taken += items
        spool.settle(items)
    return taken


def _crash(spool: Spool) -> None:
    """Leaves the spool as a killed process does: its locks are gone, its files as they are."""
    spool.forget()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=40), st.data())
def test_a_killed_process_leaves_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], data: st.DataObject
) -> None:
    """Killed while it wrote: the next start gets every unsettled event but at most the one that was half written."""
    folder = tmp_path_factory.mktemp("spool")
    spool = Spool(folder, 8_192, "never")
    items = [_item(n, size) for n, size in enumerate(sizes)]
    written = 0
    for item in items:
        try:
            spool.append(item)
        except BufferFull:
            break
        written += 1
    goal = data.draw(st.integers(0, written))
    settled = spool.take(goal, MIB) if goal else []
    spool.settle(settled)
    _crash(spool)
    torn = data.draw(st.integers(0, 20))
    last = max(folder.rglob("*.seg"))
    with last.open("r+b") as file:
        file.truncate(max(last.stat().st_size - torn, 0))

    again = _drain(_spool(folder))

    left = items[len(settled) : written]
    assert again == left or (torn and again == left[:-1])


def test_events_come_out_in_order_over_many_files(tmp_path: Path) -> None:
    """Rolling to the next file loses and reorders nothing, and what is settled is deleted."""
    spool = Spool(tmp_path, 4 * MIB, "never")
    items = [Item(INFERENCE if n % 3 else FEEDBACK, _item(n, 900).body) for n in range(3_000)]
    for item in items:
        spool.append(item)
    files = len(_files(tmp_path))

    assert _drain(spool, 100) == items
    assert files > 5
    assert len(list(tmp_path.rglob("*.seg"))) == 1


def test_an_event_larger_than_a_batch_goes_alone(tmp_path: Path) -> None:
    """A batch's size is no limit for one event."""
    spool = _spool(tmp_path)
    items = [_item(1, 100), _item(2, 200_000), _item(3, 100)]
    for item in items:
        spool.append(item)

    taken = []
    for _ in range(3):
        chunk = spool.take(10, 1_000)
        spool.settle(chunk)
        taken.append(chunk)

    assert taken == [[items[0]], [items[1]], [items[2]]]


def test_taking_is_looking(tmp_path: Path) -> None:
    """Until it is settled an event stays: taken again it is the same, and a crash after taking loses nothing."""
    spool = _spool(tmp_path)
    spool.append(_item(1))

    assert spool.take(5, MIB) == spool.take(5, MIB) == [_item(1)]
    _crash(spool)

    assert _drain(_spool(tmp_path)) == [_item(1)]


def test_the_place_is_kept(tmp_path: Path) -> None:
    """What was settled before the crash is not sent again."""
    spool = _spool(tmp_path)
    for n in range(10):
        spool.append(_item(n))
    spool.settle(spool.take(4, MIB))
    _crash(spool)

    assert _drain(_spool(tmp_path)) == [_item(n) for n in range(4, 10)]


def test_a_lost_place_costs_duplicates_only(tmp_path: Path) -> None:
    """With an unreadable cursor everything still on disk is sent again."""
    spool = _spool(tmp_path)
    for n in range(10):
        spool.append(_item(n))
    spool.settle(spool.take(4, MIB))
    _crash(spool)
    (cursor,) = tmp_path.rglob("cursor")
    cursor.write_bytes(b"nonsense")

    assert _drain(_spool(tmp_path)) == [_item(n) for n in range(10)]


def test_the_spool_is_bounded(tmp_path: Path) -> None:
    """At `spool_bytes` an event is not taken; once others are settled there is room again."""
    limit = MIB
    spool = Spool(tmp_path, limit, "never")
    with pytest.raises(BufferFull, match="wait in the spool"):
        for n in range(10_000):
            spool.append(_item(n, 2_000))
    full = sum(path.stat().st_size for path in _files(tmp_path))

    _drain(spool)
    spool.append(_item("more", 2_000))

    assert limit * 0.9 < full <= limit + 1_000
    assert _drain(spool) == [_item("more", 2_000)]


def test_a_disk_that_takes_nothing_is_a_full_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails adds no half event: the caller hears of it, and what follows is readable."""
    spool = _spool(tmp_path)
    spool.append(_item(1))

    class HalfFull:
        """A file on a full disk: it takes a part."""

        def __init__(self, file: object) -> None:
            self._file = file

        def __getattr__(self, name: str) -> object:
            return getattr(self._file, name)

        def write(self, frame: bytes) -> int:
            """Writes three bytes."""
            count: int = self._file.write(frame[:3])  # type: ignore[attr-defined]
            return count

    assert spool._own is not None
    segment: Segment = spool._own._segments[-1]
    whole = segment._file
    monkeypatch.setattr(segment, "_file", HalfFull(whole))
    with pytest.raises(BufferFull, match="cannot be written"):
        spool.append(_item(2))
    monkeypatch.setattr(segment, "_file", whole)
    spool.append(_item(3))
    _crash(spool)

    assert _drain(_spool(tmp_path)) == [_item(1), _item(3)]


def test_two_processes_may_share_a_folder(tmp_path: Path) -> None:
    """Whoever starts second leaves the first one's events alone while it lives, and takes them once it is gone."""
    first, second = _spool(tmp_path), _spool(tmp_path)
    first.append(_item("first"))
    second.append(_item("second"))
    third = _spool(tmp_path)

    assert third.backlog_bytes == 0
    assert _drain(second) == [_item("second")]
    _crash(first)
    assert _drain(_spool(tmp_path)) == [_item("first")]


def test_a_spool_that_is_done_leaves_nothing(tmp_path: Path) -> None:
    """After a clean end the folder is empty; with events left it holds them for the next start."""
    spool = _spool(tmp_path)
    spool.append(_item(1))
    spool.close()
    left = len(_files(tmp_path))
    again = _spool(tmp_path)

    assert left == 3
    assert _drain(again) == [_item(1)]
    again.close()
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_ours_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A strange file or folder in the spool is neither sent nor deleted, and hinders nothing."""
    strange = tmp_path / "0192f0c1-7c1e-7a50-8a3e-0d5f6a7b8c9d"
    strange.mkdir()
    (strange / "000000000001.seg").write_bytes(b"something else entirely")
    (tmp_path / "notes").mkdir()
    (tmp_path / "readme.txt").write_text("mine")
    spool = _spool(tmp_path)
    spool.append(_item(1))

    assert _drain(spool) == [_item(1)]
    assert (strange / "000000000001.seg").exists()
    assert list((tmp_path / "notes").iterdir()) == [] and not (tmp_path / "notes.lock").exists()
    assert "not a spool file of this version" in caplog.text


def test_damage_in_the_middle_costs_one_event(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An event whose bytes rotted is left out and logged; those after it are sent."""
    spool = _spool(tmp_path)
    for n in range(3):
        spool.append(_item(n))
    _crash(spool)
    (segment,) = tmp_path.rglob("*.seg")
    rotten = bytearray(segment.read_bytes())
    rotten[len(MAGIC) + len(pack(b"F" + _item(0).body)) + HEADER.size + 5] ^= 1
    segment.write_bytes(rotten)

    assert _drain(_spool(tmp_path)) == [_item(0), _item(2)]
    assert "damaged" in caplog.text


def test_only_the_owner_may_read(tmp_path: Path) -> None:
    """What people said is readable by nobody else on the machine."""
    spool = _spool(tmp_path / "made")
    spool.append(_item(1))

    paths = [tmp_path / "made", *(tmp_path / "made").rglob("*")]

    assert {path.stat().st_mode & 0o077 for path in paths} == {0}


def test_a_folder_that_cannot_be_used_is_said_at_once(tmp_path: Path) -> None:
    """The constructor raises, not the first event in production."""
    (tmp_path / "file").write_text("x")

    with pytest.raises(ConfigurationError, match="cannot use the spool"):
        _spool(tmp_path / "file" / "spool")


def test_the_policy_of_fsync(tmp_path: Path) -> None:
    """Written data is offered for an fsync once under `interval` and `always`, never under `never`."""
    offered = {}
    for policy in ("always", "interval", "never"):
        spool = Spool(tmp_path / policy, MIB, policy)  # type: ignore[arg-type]
        spool.append(_item(1))
        descriptors = [spool.unsynced(), spool.unsynced()]
        offered[policy] = [descriptor is not None for descriptor in descriptors]
        for descriptor in descriptors:
            if descriptor is not None:
                os.fsync(descriptor)
                os.close(descriptor)

    assert offered == {"always": [True, False], "interval": [True, False], "never": [False, False]}
