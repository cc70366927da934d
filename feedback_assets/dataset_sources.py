"""Where datasets are compiled from: the tables of the graph, or the log itself where it must be as of an offset."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from feedback_assets.daily import attributed_days
from feedback_assets.exporting import Export, Span
from feedback_assets.lake import Lake
from feedback_assets.policies import decided, newest_receipt, waits_upto
from feedback_assets.resources import LogResource
from feedback_assets.routing import with_outcome
from feedback_assets.splitting import evidence, judged
from feedback_assets.trusting import verdicts
from feedback_loop.learning.enrichers import known
from feedback_loop.learning.membership import Sources
from feedback_loop.learning.trust.standings import weighed

if TYPE_CHECKING:
    import ibis

EVER = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))


def of_graph(
    log: LogResource,
    attributed: "ibis.Table",
    quarantined: "ibis.Table",
    feedback: "ibis.Table",
    inferences: "ibis.Table",
    log_offset: int,
) -> Sources:
    """Sources out of the graph's tables of all days, which were refreshed up to `log_offset`."""
    with log.session() as session:
        waits, newest = waits_upto(session, log_offset), newest_receipt(session, log_offset)
    aside = attributed_days(quarantined, feedback, inferences, log_offset, waits, newest)
    return _sources(log, attributed, aside, inferences, log_offset)


@contextmanager
def of_log(log: LogResource, log_offset: int, scratch: Path) -> Iterator[Sources]:
    """Sources read from the log alone, as it was at `log_offset`; what is needed for it is gone afterwards."""
    scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".sources-", dir=scratch) as folder:
        lake = Lake(Path(folder))
        for kind, name in (("feedback", "feedback_events"), ("inference", "inferences")):
            lake.write(Export(log.session, kind, Span(*EVER, log_offset)).reader(), name)
        feedback, inferences = lake.read("feedback_events"), lake.read("inferences")
        with log.session() as session:
            rules, waits = decided(session, log_offset), waits_upto(session, log_offset)
            newest = newest_receipt(session, log_offset)
        lake.write(judged(evidence(feedback, inferences, EVER, log_offset, rules)), "judged")
        found = lake.read("judged")
        good, bad = (found.filter((found.broken_rules.length() > 0) == is_bad) for is_bad in (False, True))
        for name, part in (("attributed", good), ("aside", bad)):
            lake.write(attributed_days(part, feedback, inferences, log_offset, waits, newest), name)
        yield _sources(log, lake.read("attributed"), lake.read("aside"), inferences, log_offset)


def _sources(
    log: LogResource, attributed: "ibis.Table", aside: "ibis.Table", inferences: "ibis.Table", log_offset: int
) -> Sources:
    """Feedback with what a route or a rule made of it, and inferences with what is known of them."""
    import ibis

    from feedback_loop.learning.schemas import ATTRIBUTED_SCHEMA

    names = ATTRIBUTED_SCHEMA.names
    with log.session() as session:
        routed = with_outcome(attributed.filter(attributed.log_offset <= log_offset).select(names), session, log_offset)
        told = weighed(routed, verdicts(session, log_offset))
    is_unheard = told.outcome.isnull() & (told.trust == 0)
    told = told.mutate(outcome=ibis.ifelse(is_unheard, "not-heard", told.outcome))
    broken = aside.filter(aside.log_offset <= log_offset).select(names)
    broken = broken.mutate(outcome=ibis.literal("broke-a-rule"), trust=ibis.literal(1.0))
    return Sources(told.union(broken), known(inferences.filter(inferences.log_offset <= log_offset)))
