"""Which feedback may be in datasets: what a route led to the lake and nobody holds back, as of an offset of the log."""

from typing import TYPE_CHECKING

from sqlmodel import Session

from feedback_assets import facts
from feedback_assets.policies import newest_receipt
from feedback_loop.learning.routed import reaches, with_holds
from feedback_loop.learning.routes import VERDICT_TYPE, Sink
from feedback_loop.stream.routing.book import RELEASED, ROUTES, book
from feedback_loop.stream.routing.holds import RECEIVED

if TYPE_CHECKING:
    import ibis


def routed(feedback: "ibis.Table", session: Session, upto_offset: int, sink: Sink = "lake") -> "ibis.Table":
    """The rows of `feedback` (ATTRIBUTED_SCHEMA and more) that may be learnt from, as the log says up to the offset.

    A project that routes nothing to `sink` has there what reaches its lake.
    """
    found = with_outcome(feedback, session, upto_offset, sink)
    return found.filter(found.outcome.isnull()).drop("outcome")


def with_outcome(feedback: "ibis.Table", session: Session, upto_offset: int, sink: Sink = "lake") -> "ibis.Table":
    """`feedback` with the column `outcome`: null where `routed` has it, else `held` or `routed-elsewhere`."""
    import ibis
    import pyarrow as pa

    decisions = facts.read(session, (*ROUTES.kinds, RELEASED), upto_offset)
    routes = book(ROUTES.of_facts(decisions))
    if not routes:
        return feedback.mutate(outcome=ibis.null("string"))
    verdicts = feedback.filter(feedback.feedback_type == VERDICT_TYPE)
    released = [
        {"project_id": fact.project_id, "feedback_id": fact.body["subject"]}
        for fact in decisions
        if fact.kind == RELEASED
    ]
    columns = pa.schema([("project_id", pa.int32()), ("feedback_id", pa.string())])
    freed = ibis.memtable(pa.Table.from_pylist(released, columns))
    found = with_holds(feedback, routes, verdicts, freed, newest_receipt(session, upto_offset, RECEIVED))
    own = {project for project, placed in routes.items() if any(sink in each.route.sinks for each in placed)}
    others = {project: placed for project, placed in routes.items() if project not in own}
    wanted = reaches(found, {project: routes[project] for project in own}, sink)
    wanted = ibis.ifelse(found.project_id.isin(list(own)), wanted, reaches(found, others, "lake"))
    outcome = ibis.cases((found.is_held, "held"), (~wanted, "routed-elsewhere"), else_=None)
    return found.mutate(outcome=outcome.cast("string")).drop("is_held")
