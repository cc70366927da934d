"""Room in the quarantine: a noisy key cannot fill the disk, and old items go."""

from datetime import timedelta

from sqlmodel import Session, col, select

from feedback_ingest.clock import utc_now
from feedback_ingest.held import Held, Room
from feedback_ingest.quarantine import forget_older, held_by_project
from feedback_ingest.tables import QuarantinedItem

NOW = utc_now()


def held(project_id: int, size: int) -> Held:
    """A refused event of `size` bytes."""
    return Held(project_id, "feedback", "k", NOW, "validation-failed", "[]", b"x" * size)


def test_a_noisy_key_cannot_fill_it() -> None:
    """Rows and bytes a project may have kept are capped, each project's apart; beyond that it is only counted."""
    room = Room(rows=100, bytes_=10_000)

    for _ in range(100):
        kept = room.admit([held(1, 50)] * 100)
        room.keep(kept)
    many = room.admit([held(2, 3_000)] * 100)
    room.keep(many)

    assert room.overflowed == 100 * 100 - 100 + 97
    assert len(many) == 3
    assert room.admit([held(3, 1)])


def test_what_was_not_committed_takes_no_room() -> None:
    """Room is taken by what is stored, so a transaction that fails loses none."""
    room = Room(rows=1, bytes_=100)

    first, second = room.admit([held(1, 1)]), room.admit([held(1, 1)])

    assert first and second
    room.keep(first)
    assert room.admit([held(1, 1)]) == []
    room.recount({})
    assert room.admit([held(1, 1)])


def item(days: int, status: str = "held") -> QuarantinedItem:
    """An item of some days ago."""
    return QuarantinedItem(
        project_id=1,
        kind="feedback",
        key_id="k",
        received_at=NOW - timedelta(days=days),
        code="validation-failed",
        faults=[],
        body=b"12345",
        status=status,
    )


def test_old_items_are_forgotten(session: Session) -> None:
    """After the days that are set an item is gone, whatever became of it; only held ones count towards the cap."""
    session.add_all([item(31), item(31, "discarded"), item(29), item(1, "replayed")])
    session.commit()

    forget_older(session, 30, NOW)

    left = session.exec(select(QuarantinedItem.status).order_by(col(QuarantinedItem.item_id))).all()
    assert left == ["held", "replayed"]
    assert held_by_project(session) == {1: (1, 5)}
