"""The tables of review as pyarrow: what learning makes of the facts, with its columns even where there is no row."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from feedback_ingest.decisions import REVIEWS
from feedback_ingest.log import LogRow
from feedback_loop.learning import review_history
from feedback_loop.learning.datasets import row_digest
from feedback_loop.stream.flagging import book

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

KINDS = REVIEWS
POLICIES = book.POLICIES.kinds


def tasks(facts: Sequence[LogRow]) -> "pa.Table":
    """TASKS_SCHEMA, one row an item."""
    import pyarrow as pa

    return pa.Table.from_pylist(review_history.tasks(facts), review_history.schemas()[0])


def labels(facts: Sequence[LogRow]) -> "pa.Table":
    """LABELS_SCHEMA, one row a label, skip or escalation."""
    import pyarrow as pa

    return pa.Table.from_pylist(review_history.labels(facts), review_history.schemas()[1])


def quality(said: "ibis.Table") -> "pa.Table":
    """QUALITY_SCHEMA, one row a queue and reviewer."""
    import pyarrow as pa

    rows = said.order_by("log_offset").to_pyarrow().to_pylist()
    return pa.Table.from_pylist(review_history.quality(rows), review_history.schemas()[2])


def audits(facts: Sequence[LogRow], labeled: "ibis.Table", inferences: "ibis.Table") -> "pa.Table":
    """AUDITS_SCHEMA, one row an audit and model."""
    import pyarrow as pa

    from feedback_loop.learning import audits

    return pa.Table.from_pylist(
        audits.audits(book.book(book.POLICIES.of_facts(facts)), labeled, inferences), audits.schema()
    )


def version(rows: "ibis.Table") -> str:
    """What names a set of labelled rows: the digest that manifests of datasets have, too."""
    wanted = rows.select("feedback_offset", "inference_offset", "label").order_by("feedback_offset")
    return row_digest(wanted.to_pyarrow().to_pylist())
